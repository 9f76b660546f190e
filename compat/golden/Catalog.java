import java.io.File;
import java.io.IOException;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.JarFile;
import java.util.zip.ZipEntry;

import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.Schema;

/** Every generated message class of the jars on the class path, by the name of its schema. */
final class Catalog {
    private static final List<String> PACKAGES = List.of(
        "org/apache/kafka/common/message/",
        "org/apache/kafka/common/metadata/",
        "org/apache/kafka/raft/generated/",
        "org/apache/kafka/coordinator/group/generated/",
        "org/apache/kafka/coordinator/share/generated/",
        "org/apache/kafka/coordinator/transaction/generated/",
        "org/apache/kafka/server/log/remote/metadata/storage/generated/");

    private final Map<String, Class<? extends ApiMessage>> classes = new TreeMap<>();

    Catalog() throws IOException, ClassNotFoundException {
        for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
            if (entry.endsWith(".jar")) {
                try (JarFile jar = new JarFile(entry)) {
                    for (ZipEntry file : Collections.list(jar.entries())) {
                        add(file.getName());
                    }
                }
            }
        }
    }

    private void add(String file) throws ClassNotFoundException {
        if (PACKAGES.stream().noneMatch(file::startsWith) || !file.endsWith(".class") || file.contains("$")) {
            return;
        }
        Class<?> type = Class.forName(file.substring(0, file.length() - 6).replace('/', '.'));
        if (ApiMessage.class.isAssignableFrom(type)) {
            String name = type.getSimpleName().replaceFirst("(Request|Response|Header)Data$", "$1");
            classes.put(name, type.asSubclass(ApiMessage.class));
        }
    }

    /** Names of all messages that have versions; headers are not messages of their own here. */
    Iterable<String> names() {
        return classes.keySet().stream().filter(name -> !name.endsWith("Header") && schemas(name).length > 0).toList();
    }

    /** A new message with every field at its default. */
    ApiMessage create(String name) {
        try {
            return classes.get(name).getDeclaredConstructor().newInstance();
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(name, e);
        }
    }

    private Schema[] schemas(String name) {
        return schemas(classes.get(name));
    }

    /** The schemas of a message or structure, by version; null below its first version. */
    static Schema[] schemas(Class<?> type) {
        try {
            return (Schema[]) type.getField("SCHEMAS").get(null);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(type.getName(), e);
        }
    }

    static byte[] encode(ApiMessage message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        java.nio.ByteBuffer buffer = java.nio.ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        if (buffer.hasRemaining()) {
            throw new IllegalStateException("size and bytes differ");
        }
        return buffer.array();
    }

    ApiMessage decode(String name, short version, byte[] bytes) {
        ApiMessage message = create(name);
        java.nio.ByteBuffer buffer = java.nio.ByteBuffer.wrap(bytes);
        message.read(new ByteBufferAccessor(buffer), version);
        if (buffer.hasRemaining()) {
            throw new IllegalStateException(buffer.remaining() + " bytes are left");
        }
        return message;
    }
}
