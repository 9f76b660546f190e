// One request, one connection, one answer, with no client library between: frames written and read by hand.

import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

final class Wire {
    private static final int CORRELATION_ID = 77;

    private Wire() {}

    /** The broker closed the connection instead of answering, or kept silent. */
    static final class Closed extends Exception {
        private static final long serialVersionUID = 1L;

        Closed(String message) {
            super(message);
        }
    }

    /** Sends the message in this version and parses the answer, which must be used up to its last byte. */
    static ApiMessage ask(ApiKeys key, short version, ApiMessage request) throws Exception {
        short headerVersion = key.messageType.requestHeaderVersion(version);
        ByteBuffer answer = exchange(frame(header(key.id, version), headerVersion, request, version));
        ByteBufferAccessor reader = new ByteBufferAccessor(answer);
        // ApiVersions answers in header version 0 always.
        new ResponseHeaderData(reader, key.messageType.responseHeaderVersion(version));
        Cases.equal(CORRELATION_ID, answer.getInt(0), "correlation id");
        ApiMessage response = key.messageType.newResponse();
        response.read(reader, version);
        Cases.equal(0, answer.remaining(), "bytes left over in the answer of version " + version);
        return response;
    }

    static RequestHeaderData header(short key, short version) {
        return new RequestHeaderData().setRequestApiKey(key).setRequestApiVersion(version)
            .setCorrelationId(CORRELATION_ID).setClientId("sweep");
    }

    static ByteBuffer frame(RequestHeaderData header, short headerVersion, Message body, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        int size = header.size(cache, headerVersion) + body.size(cache, version);
        ByteBuffer buffer = ByteBuffer.allocate(4 + size);
        buffer.putInt(size);
        ByteBufferAccessor writer = new ByteBufferAccessor(buffer);
        header.write(writer, cache, headerVersion);
        body.write(writer, cache, version);
        buffer.flip();
        return buffer;
    }

    static ByteBuffer exchange(ByteBuffer frame) throws Exception {
        int colon = Peer.BOOTSTRAP.lastIndexOf(':');
        try (Socket socket = new Socket(Peer.BOOTSTRAP.substring(0, colon), Integer.parseInt(Peer.BOOTSTRAP.substring(colon + 1)))) {
            socket.setSoTimeout(5_000);
            socket.getOutputStream().write(frame.array(), 0, frame.limit());
            DataInputStream in = new DataInputStream(socket.getInputStream());
            byte[] answer = new byte[in.readInt()];
            in.readFully(answer);
            return ByteBuffer.wrap(answer);
        } catch (SocketTimeoutException silent) {
            throw new Closed("no answer");
        } catch (EOFException | SocketException closed) {
            throw new Closed("closed without an answer");
        } catch (IOException other) {
            throw new AssertionError(other.toString());
        }
    }
}
