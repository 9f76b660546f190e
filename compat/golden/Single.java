import java.lang.reflect.Field;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.util.Collection;

import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;

/**
 * A message in which exactly one thing differs from the defaults: one field, at any depth, set or made null.
 *
 * Things are numbered in schema order; arrays and structures on the way to the chosen one hold one element.
 */
final class Single {
    private final Filler values = new Filler(7, Filler.Pattern.SMALL);
    private final int chosen;
    private int next = 0;

    Single(int chosen) {
        this.chosen = chosen;
    }

    /** Applies the change; false when there are fewer things than `chosen`. */
    boolean apply(Object message, Schema schema, int version) throws ReflectiveOperationException {
        walk(message, schema, version);
        return next > chosen;
    }

    private void walk(Object object, Schema schema, int version) throws ReflectiveOperationException {
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields tagged) {
                for (org.apache.kafka.common.protocol.types.Field known : tagged.fields().values()) {
                    visit(object, Filler.field(object.getClass(), known.name), known.type.isNullable(), version);
                }
            } else {
                visit(object, Filler.field(object.getClass(), bound.def.name), bound.def.type.isNullable(), version);
            }
        }
    }

    private void visit(Object object, Field field, boolean nullable, int version) throws ReflectiveOperationException {
        if (nullable && next++ == chosen) {
            field.set(object, null);
        }
        Type generic = field.getGenericType();
        boolean isArray = !(generic instanceof Class<?> type) || Collection.class.isAssignableFrom(type);
        Type inner = isArray ? Filler.elementType(generic) : generic;
        boolean isStruct = inner instanceof Class<?> type && !(generic instanceof ParameterizedType && isPlain(type)) && hasSchemas(type);
        if (!isStruct) {
            if (next++ == chosen) {
                field.set(object, values.value(generic, version));
            }
            return;
        }
        int before = next++;
        Class<?> structure = (Class<?>) inner;
        Object element = structure.getDeclaredConstructor().newInstance();
        walk(element, Catalog.schemas(structure)[version], version);
        if (before <= chosen && chosen < next) {
            Object value = element;
            if (isArray) {
                Collection<Object> elements = Filler.emptyCollection(generic);
                elements.add(element);
                value = elements;
            }
            field.set(object, value);
        }
    }

    private static boolean isPlain(Class<?> type) {
        return type.getName().startsWith("java.");
    }

    private static boolean hasSchemas(Class<?> type) {
        try {
            return type.getField("SCHEMAS") != null;
        } catch (NoSuchFieldException e) {
            return false;
        }
    }
}
