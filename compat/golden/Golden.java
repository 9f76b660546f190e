import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;

import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.metadata.MetadataRecordSerde;
import org.apache.kafka.server.common.ApiMessageAndVersion;

/**
 * The Java side of the golden bytes.
 *
 * `emit FILE` writes what Java makes of every message and version, one fact per line; the first word says which:
 *
 *   default NAME DUMP                 a new message
 *   bytes NAME VERSION HEX DUMP       a filled message
 *   recode NAME FROM HEX TO RESULT    bytes of one version, read and written in another; `-` when Java refuses
 *   api KEY NAME MIN MAX UNSTABLE LISTENERS
 *   header KEY VERSION REQUEST_HEADER RESPONSE_HEADER HEX HEX
 *   framed NAME VERSION HEX           a metadata record with its frame
 *   key NAME HEX, value NAME VERSION HEX   halves of a coordinator record with their prefixes
 *
 * `vectors FILE` writes a selection: APIs, defaults, and one small message per version. `check FILE` reads `bytes` lines that others made, decodes
 * and encodes them, and prints every difference and how many there were.
 */
public final class Golden {
    private final Catalog catalog = new Catalog();
    private final PrintStream out;
    private final HexFormat hex = HexFormat.of();

    private Golden(PrintStream out) throws IOException, ClassNotFoundException {
        this.out = out;
    }

    public static void main(String[] args) throws Exception {
        Path file = Path.of(args[1]);
        switch (args[0]) {
            case "emit" -> {
                try (PrintStream out = new PrintStream(file.toFile(), StandardCharsets.UTF_8)) {
                    new Golden(out).emit();
                }
            }
            case "vectors" -> {
                try (PrintStream out = new PrintStream(file.toFile(), StandardCharsets.UTF_8)) {
                    new Golden(out).vectors();
                }
            }
            case "check" -> new Golden(System.out).check(file);
            default -> throw new IllegalArgumentException(args[0]);
        }
    }

    private void emit() throws ReflectiveOperationException {
        apis();
        for (String name : catalog.names()) {
            out.printf("default %s %s%n", name, Dump.of(catalog.create(name)));
            ApiMessage any = catalog.create(name);
            for (short version = any.lowestSupportedVersion(); version <= any.highestSupportedVersion(); version++) {
                for (Filler.Pattern pattern : Filler.Pattern.values()) {
                    filled(name, version, pattern, 3);
                }
                singles(name, version);
            }
        }
    }

    private void vectors() throws ReflectiveOperationException {
        apis();
        for (String name : catalog.names()) {
            ApiMessage any = catalog.create(name);
            out.printf("default %s %s%n", name, Dump.of(any));
            for (short version = any.lowestSupportedVersion(); version <= any.highestSupportedVersion(); version++) {
                filled(name, version, Filler.Pattern.SMALL, 1);
            }
        }
    }

    private static Schema schema(ApiMessage message, short version) {
        return Catalog.schemas(message.getClass())[version];
    }

    private void filled(String name, short version, Filler.Pattern pattern, int count) throws ReflectiveOperationException {
        for (int seed = 0; seed < count; seed++) {
            ApiMessage message = catalog.create(name);
            new Filler(name.hashCode() * 31L + version * 7L + seed, pattern).fill(message, schema(message, version), version);
            byte[] bytes = Catalog.encode(message, version);
            ApiMessage read = catalog.decode(name, version, bytes);
            out.printf("bytes %s %d %s %s%n", name, version, hex(bytes), Dump.of(read));
            if (pattern == Filler.Pattern.ALL && seed == 0) {
                prefixed(name, version, message);
            }
        }
    }

    /** One thing set at a time, and what the other versions make of it. */
    private void singles(String name, short from) throws ReflectiveOperationException {
        for (int chosen = 0; ; chosen++) {
            ApiMessage message = catalog.create(name);
            if (!new Single(chosen).apply(message, schema(message, from), from)) {
                return;
            }
            byte[] bytes;
            try {
                bytes = Catalog.encode(message, from);
            } catch (RuntimeException e) {
                // The default of another field cannot be written in this version.
                continue;
            }
            out.printf("bytes %s %d %s %s%n", name, from, hex(bytes), Dump.of(catalog.decode(name, from, bytes)));
            for (short to = message.lowestSupportedVersion(); to <= message.highestSupportedVersion(); to++) {
                if (to != from) {
                    recode(name, from, bytes, to);
                }
            }
        }
    }

    private void recode(String name, short from, byte[] bytes, short to) {
        String result;
        try {
            result = hex(Catalog.encode(catalog.decode(name, from, bytes), to));
        } catch (RuntimeException e) {
            result = "-";
        }
        out.printf("recode %s %d %s %d %s%n", name, from, hex(bytes), to, result);
    }

    private void prefixed(String name, short version, ApiMessage message) {
        String type = message.getClass().getPackageName();
        if (type.equals("org.apache.kafka.common.metadata")) {
            ApiMessageAndVersion record = new ApiMessageAndVersion(message, version);
            ObjectSerializationCache cache = new ObjectSerializationCache();
            MetadataRecordSerde serde = new MetadataRecordSerde();
            java.nio.ByteBuffer buffer = java.nio.ByteBuffer.allocate(serde.recordSize(record, cache));
            serde.write(record, cache, new org.apache.kafka.common.protocol.ByteBufferAccessor(buffer));
            out.printf("framed %s %d %s%n", name, version, hex(buffer.array()));
        } else if (type.startsWith("org.apache.kafka.coordinator") && name.endsWith("Key")) {
            out.printf("key %s %s%n", name, hex(MessageUtil.toCoordinatorTypePrefixedBytes(message)));
        } else if (type.startsWith("org.apache.kafka.coordinator")) {
            out.printf("value %s %d %s%n", name, version, hex(MessageUtil.toVersionPrefixedBytes(version, message)));
        }
    }

    private void apis() {
        for (ApiMessageType api : ApiMessageType.values()) {
            short highest = api.highestSupportedVersion(true);
            if (api.lowestSupportedVersion() > highest) {
                continue;
            }
            out.printf("api %d %s %d %d %s %s%n", api.apiKey(), api.name, api.lowestSupportedVersion(), highest,
                api.latestVersionUnstable(), api.listeners());
            for (short version = api.lowestSupportedVersion(); version <= highest; version++) {
                short request = api.requestHeaderVersion(version);
                short response = api.responseHeaderVersion(version);
                RequestHeaderData header = new RequestHeaderData().setRequestApiKey(api.apiKey())
                    .setRequestApiVersion(version).setCorrelationId(77 + version)
                    .setClientId(version % 2 == 0 ? "client" : null);
                ResponseHeaderData answer = new ResponseHeaderData().setCorrelationId(77 + version);
                out.printf("header %d %d %d %d %s %s%n", api.apiKey(), version, request, response,
                    hex(Catalog.encode(header, request)), hex(Catalog.encode(answer, response)));
            }
        }
    }

    private void check(Path file) throws IOException {
        int count = 0;
        int differences = 0;
        try (BufferedReader lines = Files.newBufferedReader(file)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                count++;
                String problem = checkLine(line.split(" ", 5));
                if (problem != null && ++differences <= 20) {
                    out.println(problem + ": " + line.substring(0, Math.min(line.length(), 400)));
                }
            }
        }
        out.printf("checked %d differences %d%n", count, differences);
    }

    private String checkLine(String[] words) {
        short version = Short.parseShort(words[2]);
        byte[] bytes = words[3].equals(".") ? new byte[0] : hex.parseHex(words[3]);
        try {
            ApiMessage message = catalog.decode(words[1], version, bytes);
            if (!hex(Catalog.encode(message, version)).equals(words[3])) {
                return "Java encodes it as " + hex(Catalog.encode(message, version));
            }
            return Dump.of(message).equals(words[4]) ? null : "Java reads " + Dump.of(message);
        } catch (RuntimeException e) {
            return "Java refuses it (" + e + ")";
        }
    }

    /** Hexadecimal; a dot for no bytes at all, so that every line has all of its words. */
    private String hex(byte[] bytes) {
        return bytes.length == 0 ? "." : hex.formatHex(bytes);
    }
}
