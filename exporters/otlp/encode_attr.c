/* weir-otlp: attributes, resource, scope. See encode_attr.h. Layer: exporter, pure. */
#include "encode_attr.h"

/* Field numbers of AnyValue, KeyValue, ArrayValue. */
enum { VALUE_STRING = 1, VALUE_BOOL, VALUE_INT, VALUE_DOUBLE, VALUE_ARRAY, VALUE_BYTES = 7 };
enum { PAIR_KEY = 1, PAIR_VALUE, ARRAY_VALUES = 1 };
/* The length of a request's messages: 3 bytes up to 2 MiB. */
enum { OUTER_GUESS = 3 };

static const uint8_t version_text[] = WEIR_VERSION_TEXT;

/* ---- one AnyValue: its size, then its bytes ------------------------------------------------------------------------ */

static size_t with_length(size_t size)
{
	return 1 + weir__varint_size(size) + size;
}

static uint8_t *put_head(uint8_t *at, uint32_t field, size_t size)
{
	*at = (uint8_t)WEIR__TAG(field, WEIR__LENGTH);
	return weir__varint(at + 1, size);
}

static enum weir_attr_type element_type(enum weir_attr_type list)
{
	return (enum weir_attr_type)(list == WEIR_ATTR_STRS    ? WEIR_ATTR_STR
	                             : list == WEIR_ATTR_BOOLS ? WEIR_ATTR_BOOL
	                             : list == WEIR_ATTR_INTS  ? WEIR_ATTR_INT
	                             : list == WEIR_ATTR_DOUBLES ? WEIR_ATTR_DOUBLE
	                                                         : 0);
}

static struct weir_attr element(const struct weir_attr *list, enum weir_attr_type type, size_t i)
{
	struct weir_attr a = {.type = type};

	switch (type) {
	case WEIR_ATTR_STR:
		a.as.str = ((const struct weir_str *)list->as.list.ptr)[i];
		break;
	case WEIR_ATTR_BOOL:
		a.as.boolean = ((const bool *)list->as.list.ptr)[i];
		break;
	case WEIR_ATTR_INT:
		a.as.integer = ((const int64_t *)list->as.list.ptr)[i];
		break;
	default:
		a.as.real = ((const double *)list->as.list.ptr)[i];
		break;
	}
	return a;
}

static size_t elements(const struct weir_attr *list)
{
	return list->as.list.ptr != NULL ? list->as.list.count : 0;
}

/* text: where it is text, its size on the wire. */
static size_t scalar_size(const struct weir_attr *a, size_t *text)
{
	*text = 0;
	switch (a->type) {
	case WEIR_ATTR_STR:
		*text = weir__text_size(a->as.str);
		return with_length(*text);
	case WEIR_ATTR_BOOL:
		return 2;
	case WEIR_ATTR_INT:
		return 1 + weir__varint_size((uint64_t)a->as.integer);
	case WEIR_ATTR_DOUBLE:
		return 9;
	case WEIR_ATTR_BYTES:
		return with_length(a->as.str.ptr != NULL ? a->as.str.len : 0);
	default:
		return 0;
	}
}

static size_t array_size(const struct weir_attr *list, enum weir_attr_type type)
{
	size_t count = elements(list), size = 0, text;

	for (size_t i = 0; i < count; i++) {
		struct weir_attr a = element(list, type, i);

		size += with_length(scalar_size(&a, &text));
	}
	return size;
}

static uint8_t *put_scalar(uint8_t *at, const struct weir_attr *a, size_t text)
{
	size_t len;

	switch (a->type) {
	case WEIR_ATTR_STR:
		return weir__text(put_head(at, VALUE_STRING, text), a->as.str, text);
	case WEIR_ATTR_BOOL:
		*at++ = (uint8_t)WEIR__TAG(VALUE_BOOL, WEIR__VARINT);
		*at++ = a->as.boolean;
		return at;
	case WEIR_ATTR_INT:
		*at++ = (uint8_t)WEIR__TAG(VALUE_INT, WEIR__VARINT);
		return weir__varint(at, (uint64_t)a->as.integer);
	case WEIR_ATTR_DOUBLE:
		*at++ = (uint8_t)WEIR__TAG(VALUE_DOUBLE, WEIR__FIXED64);
		return weir__fixed64(at, weir__double_bits(a->as.real));
	case WEIR_ATTR_BYTES:
		len = a->as.str.ptr != NULL ? a->as.str.len : 0;
		at = put_head(at, VALUE_BYTES, len);
		if (len != 0)
			memcpy(at, a->as.str.ptr, len);
		return at + len;
	default:
		return at;
	}
}

static uint8_t *put_array(uint8_t *at, const struct weir_attr *list, enum weir_attr_type type, size_t size)
{
	size_t count = elements(list), text;

	at = put_head(at, VALUE_ARRAY, size);
	for (size_t i = 0; i < count; i++) {
		struct weir_attr a = element(list, type, i);

		at = put_head(at, ARRAY_VALUES, scalar_size(&a, &text));
		at = put_scalar(at, &a, text);
	}
	return at;
}

void weir__otlp_put_attr(struct weir__otlp_bytes *b, uint32_t field, const struct weir_attr *attr)
{
	enum weir_attr_type list = element_type(attr->type);
	size_t text, key = weir__text_size(attr->key), array = 0, value, pair;
	uint8_t *at;

	if (list != 0)
		array = array_size(attr, list);
	value = list != 0 ? with_length(array) : scalar_size(attr, &text);
	pair = (key != 0 ? with_length(key) : 0) + with_length(value);
	if (!weir__otlp_room(b, pair + 2 * WEIR__VARINT_MOST))
		return;
	at = weir__varint(weir__varint(b->at, WEIR__TAG(field, WEIR__LENGTH)), pair);
	if (key != 0)
		at = weir__text(put_head(at, PAIR_KEY, key), attr->key, key);
	at = put_head(at, PAIR_VALUE, value);
	b->at = list != 0 ? put_array(at, attr, list, array) : put_scalar(at, attr, text);
}

void weir__otlp_put_attrs(struct weir__otlp_bytes *b, uint32_t field, struct weir_attrs attrs)
{
	for (size_t i = 0; i < attrs.count; i++)
		weir__otlp_put_attr(b, field, &attrs.ptr[i]);
}

void weir__otlp_put_label(struct weir__otlp_bytes *b, uint32_t field, struct weir_str key, struct weir_str value)
{
	struct weir_attr attr = {.key = key, .type = WEIR_ATTR_STR, .as.str = value};

	weir__otlp_put_attr(b, field, &attr);
}

/* ---- a request ----------------------------------------------------------------------------------------------------- */

enum { REQUEST_RESOURCES = 1, RESOURCE = 1, RESOURCE_ATTRIBUTES = 1, SCOPES = 2, SCOPE = 1, SCOPE_NAME = 1, SCOPE_VERSION };

struct weir__otlp_request weir__otlp_request_open(struct weir__otlp_bytes *b, struct weir_attrs resource)
{
	struct weir__otlp_request request = {.begin = weir__otlp_used(b)};
	size_t opened;

	request.outer = weir__otlp_open(b, REQUEST_RESOURCES, OUTER_GUESS);
	opened = weir__otlp_open(b, RESOURCE, 2);
	weir__otlp_put_attrs(b, RESOURCE_ATTRIBUTES, resource);
	weir__otlp_close(b, opened, 2);
	request.inner = weir__otlp_open(b, SCOPES, OUTER_GUESS);
	opened = weir__otlp_open(b, SCOPE, 1);
	weir__otlp_put_text(b, SCOPE_NAME, weir_str_n("weir", 4));
	weir__otlp_put_text(b, SCOPE_VERSION, weir_str_n(version_text, sizeof version_text - 1));
	weir__otlp_close(b, opened, 1);
	return request;
}

void weir__otlp_request_close(struct weir__otlp_bytes *b, const struct weir__otlp_request *request)
{
	weir__otlp_close(b, request->inner, OUTER_GUESS);
	weir__otlp_close(b, request->outer, OUTER_GUESS);
}
