import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Random;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.record.internal.BaseRecords;
import org.apache.kafka.common.record.internal.MemoryRecords;

/**
 * Fills the fields that exist in one version of a message, by reflection along the message's schema.
 *
 * Fields that the version does not have keep their defaults, so that the message can be written.
 */
final class Filler {
    /** How values are chosen. */
    enum Pattern {
        /** Every field is set to something. */
        ALL,
        /** Null wherever it is allowed, every array empty, the rest set. */
        NULLS,
        /** A coin decides for each field whether it is set, null or left alone. */
        MIXED,
        /** As ALL, but small: one element per array, short strings. */
        SMALL
    }

    private static final String[] TEXTS = {"a", "topic-7", "b\u00e9ta", "\u6f22\u5b57", "\ud83d\ude00x", "Z".repeat(200), "_.-"};

    private final Random random;
    private final Pattern pattern;

    Filler(long seed, Pattern pattern) {
        this.random = new Random(seed);
        this.pattern = pattern;
    }

    /** Sets the fields of `object` that `schema` knows. */
    void fill(Object object, Schema schema, int version) throws ReflectiveOperationException {
        for (BoundField field : schema.fields()) {
            if (field.def.type instanceof TaggedFields tagged) {
                for (org.apache.kafka.common.protocol.types.Field known : tagged.fields().values()) {
                    set(object, known.name, known.type.isNullable(), version);
                }
            } else {
                set(object, field.def.name, field.def.type.isNullable(), version);
            }
        }
    }

    private void set(Object object, String name, boolean nullable, int version) throws ReflectiveOperationException {
        Field field = field(object.getClass(), name);
        boolean leave = pattern == Pattern.MIXED && random.nextInt(3) == 0;
        boolean toNull = nullable && (pattern == Pattern.NULLS || pattern == Pattern.MIXED && random.nextBoolean());
        Object value = toNull ? null : value(field.getGenericType(), version);
        // A field without default in this version, such as records, cannot be left alone.
        if (!leave || field.get(object) == null && !nullable) {
            field.set(object, value);
        }
    }

    /** The Java field for a schema's field name. */
    static Field field(Class<?> type, String name) {
        String wanted = name.replace("_", "").toLowerCase(Locale.ROOT);
        for (Field field : type.getDeclaredFields()) {
            boolean isStatic = Modifier.isStatic(field.getModifiers());
            if (!isStatic && field.getName().replace("_", "").toLowerCase(Locale.ROOT).equals(wanted)) {
                field.setAccessible(true);
                return field;
            }
        }
        throw new IllegalStateException(type.getName() + " has no field " + name);
    }

    /** A value of a Java type, never its default. */
    Object value(Type generic, int version) throws ReflectiveOperationException {
        Class<?> type = (Class<?>) (generic instanceof ParameterizedType p ? p.getRawType() : generic);
        if (type == boolean.class) {
            return random.nextInt(4) > 0;
        } else if (type == byte.class || type == Byte.class) {
            return (byte) number(8);
        } else if (type == short.class || type == Short.class) {
            return (short) number(16);
        } else if (type == int.class || type == Integer.class) {
            return (int) number(32);
        } else if (type == long.class || type == Long.class) {
            return number(64);
        } else if (type == double.class) {
            return random.nextInt(1 << 20) / 4.0 - 1000;
        } else if (type == Uuid.class) {
            return new Uuid(random.nextLong(), random.nextLong());
        } else if (type == String.class) {
            return pattern == Pattern.SMALL ? "s" + random.nextInt(100) : TEXTS[random.nextInt(TEXTS.length)] + random.nextInt(10);
        } else if (type == byte[].class) {
            return bytes();
        } else if (type == ByteBuffer.class) {
            return ByteBuffer.wrap(bytes());
        } else if (type == BaseRecords.class) {
            return MemoryRecords.readableRecords(ByteBuffer.wrap(bytes()));
        } else if (Collection.class.isAssignableFrom(type)) {
            return collection(generic, version);
        }
        return structure(type, version);
    }

    private Object structure(Class<?> type, int version) throws ReflectiveOperationException {
        Object object = type.getDeclaredConstructor().newInstance();
        fill(object, Catalog.schemas(type)[version], version);
        return object;
    }

    @SuppressWarnings("unchecked")
    private Collection<Object> collection(Type generic, int version) throws ReflectiveOperationException {
        int size = pattern == Pattern.NULLS ? 0 : pattern == Pattern.SMALL ? 1 : 1 + random.nextInt(3);
        Collection<Object> elements = emptyCollection(generic);
        for (int i = 0; i < size; i++) {
            elements.add(value(elementType(generic), version));
        }
        return elements;
    }

    @SuppressWarnings("unchecked")
    static Collection<Object> emptyCollection(Type generic) throws ReflectiveOperationException {
        boolean isList = generic instanceof ParameterizedType;
        return isList ? new ArrayList<>() : (Collection<Object>) ((Class<?>) generic).getDeclaredConstructor().newInstance();
    }

    /** The element type of a `List` or of a generated collection class. */
    static Type elementType(Type generic) {
        Type parameterized = generic instanceof Class<?> collection ? collection.getGenericSuperclass() : generic;
        return ((ParameterizedType) parameterized).getActualTypeArguments()[0];
    }

    /** A number of at most `bits` bits that is not 0 and often at a limit. */
    private long number(int bits) {
        long max = bits == 64 ? Long.MAX_VALUE : (1L << (bits - 1)) - 1;
        List<Long> limits = List.of(max, -max - 1, 1L, -2L, max / 3);
        int choice = random.nextInt(limits.size() + 3);
        return choice < limits.size() ? limits.get(choice) : random.nextLong() >> (64 - bits) | 2;
    }

    private byte[] bytes() {
        byte[] bytes = new byte[pattern == Pattern.SMALL ? 3 : 1 + random.nextInt(60)];
        random.nextBytes(bytes);
        return bytes;
    }
}
