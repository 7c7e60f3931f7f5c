/* weir-otlp: responses. See response.h. Layer: exporter, pure. */
#include "response.h"

#include <string.h>

struct reader {
	const uint8_t *at, *end;
};
struct field {
	uint64_t number, value; /* value: varints and fixed ones */
	unsigned type;
	struct reader bytes; /* of type 2 */
};

static bool varint(struct reader *r, uint64_t *value)
{
	*value = 0;
	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t byte;

		if (r->at == r->end)
			return false;
		byte = *r->at++;
		if (shift == 63 && byte > 1)
			return false;
		*value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

/* 1: a field; 0: the end; -1: no protobuf. Groups are none that anybody sends. */
static int next(struct reader *r, struct field *field)
{
	uint64_t tag, size;

	if (r->at == r->end)
		return 0;
	if (!varint(r, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
		return -1;
	field->number = tag >> 3;
	field->type = (unsigned)(tag & 7);
	switch (field->type) {
	case 0:
		return varint(r, &field->value) ? 1 : -1;
	case 2:
		if (!varint(r, &size) || size > (uint64_t)(r->end - r->at))
			return -1;
		break;
	case 1:
	case 5:
		size = field->type == 1 ? 8 : 4;
		if (size > (uint64_t)(r->end - r->at))
			return -1;
		break;
	default:
		return -1;
	}
	field->bytes = (struct reader){r->at, r->at + size};
	r->at += size;
	return 1;
}

/* The length of the character at text, or 0 where it is none (RFC 3629). */
static size_t character(const uint8_t *text, size_t len)
{
	size_t more = text[0] < 0x80 ? 0 : text[0] >= 0xc2 && text[0] < 0xe0 ? 1 : text[0] >= 0xe0 && text[0] < 0xf0 ? 2
	              : text[0] >= 0xf0 && text[0] < 0xf5 ? 3 : 4;

	if (more == 4 || more >= len)
		return 0;
	for (size_t i = 1; i <= more; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) || (text[0] == 0xf0 && text[1] < 0x90) ||
	    (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return more + 1;
}

void weir__otlp_response_text(struct weir__otlp_response *response, const void *bytes, size_t len)
{
	const uint8_t *text = bytes;
	size_t to = 0;

	for (size_t at = 0; at < len;) {
		size_t size = character(text + at, len - at);
		bool control = size == 0 || text[at] < 0x20 || text[at] == 0x7f || (size == 2 && text[at] == 0xc2 && text[at + 1] < 0xa0);

		if (to + (control ? 1 : size) > WEIR__OTLP_MESSAGE)
			break;
		if (control)
			response->message[to++] = size == 0 ? '?' : ' ';
		else
			memcpy(response->message + to, text + at, size);
		to += control ? 0 : size;
		at += size != 0 ? size : 1;
	}
	response->message[to] = '\0';
}

static bool read_partial(struct weir__otlp_response *response, struct reader r)
{
	struct field field;
	int got;

	while ((got = next(&r, &field)) > 0) {
		if (field.number == 1 && field.type == 0)
			response->rejected = field.value <= INT64_MAX ? field.value : 0; /* a negative count is none */
		else if (field.number == 2 && field.type == 2)
			weir__otlp_response_text(response, field.bytes.at, (size_t)(field.bytes.end - field.bytes.at));
	}
	return got == 0;
}

static bool is_whole(struct reader r, struct field *field)
{
	int got;

	while ((got = next(&r, field)) > 0)
		;
	return got == 0;
}

bool weir__otlp_response_read(struct weir__otlp_response *response, const void *bytes, size_t len)
{
	struct reader r = {bytes, NULL};
	struct field field;
	bool ok = true;

	memset(response, 0, sizeof *response);
	if (len == 0)
		return true;
	r.end = r.at + len;
	if (!is_whole(r, &field))
		return false;
	while (ok && next(&r, &field) > 0)
		if (field.number == 1 && field.type == 2)
			ok = read_partial(response, field.bytes);
	if (!ok)
		memset(response, 0, sizeof *response);
	return ok;
}

bool weir__otlp_response_status(struct weir__otlp_response *response, const void *bytes, size_t len)
{
	struct reader r = {bytes, NULL};
	struct field field;

	memset(response, 0, sizeof *response);
	if (len == 0)
		return true;
	r.end = r.at + len;
	if (!is_whole(r, &field))
		return false;
	while (next(&r, &field) > 0)
		if (field.number == 2 && field.type == 2)
			weir__otlp_response_text(response, field.bytes.at, (size_t)(field.bytes.end - field.bytes.at));
	return true;
}
