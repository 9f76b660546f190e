import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.ByteBuffer;
import java.util.Collection;
import java.util.Locale;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.record.internal.MemoryRecords;

/** Prints a message as text that the Rust side can print too: field names without case and underscores, no type names. */
final class Dump {
    private final StringBuilder out = new StringBuilder();

    static String of(Object message) {
        Dump dump = new Dump();
        try {
            dump.value(message);
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(e);
        }
        return dump.out.toString();
    }

    private void value(Object value) throws IllegalAccessException {
        if (value == null || value instanceof Boolean || value instanceof Number || value instanceof Uuid) {
            out.append(value);
        } else if (value instanceof String text) {
            out.append('"').append(text).append('"');
        } else if (value instanceof byte[] bytes) {
            bytes(ByteBuffer.wrap(bytes));
        } else if (value instanceof ByteBuffer buffer) {
            bytes(buffer.duplicate());
        } else if (value instanceof MemoryRecords records) {
            bytes(records.buffer());
        } else if (value instanceof Collection<?> elements) {
            list(elements);
        } else {
            structure(value);
        }
    }

    private void list(Collection<?> elements) throws IllegalAccessException {
        out.append('[');
        boolean first = true;
        for (Object element : elements) {
            out.append(first ? "" : ",");
            first = false;
            value(element);
        }
        out.append(']');
    }

    private void structure(Object object) throws IllegalAccessException {
        out.append('{');
        boolean first = true;
        for (Field field : object.getClass().getDeclaredFields()) {
            boolean isKnown = !field.getName().startsWith("_") && !isLink(object, field);
            if (isKnown && !Modifier.isStatic(field.getModifiers())) {
                field.setAccessible(true);
                out.append(first ? "" : ",").append(field.getName().toLowerCase(Locale.ROOT)).append(':');
                first = false;
                value(field.get(object));
            }
        }
        out.append('}');
    }

    /** The links that a generated class has for its place in a hash collection. */
    private static boolean isLink(Object object, Field field) {
        boolean isElement = object instanceof org.apache.kafka.common.utils.ImplicitLinkedHashCollection.Element;
        return isElement && (field.getName().equals("next") || field.getName().equals("prev"));
    }

    private void bytes(ByteBuffer buffer) {
        out.append('x');
        while (buffer.hasRemaining()) {
            out.append(String.format("%02x", buffer.get()));
        }
        out.append(';');
    }
}
