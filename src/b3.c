/* L1: B3. See b3.h. Pure: no data of its own. */
#include "b3.h"

#include "w3c.h"

#include <string.h>

static bool is(struct weir_str text, const char *word)
{
	return text.len == strlen(word) && memcmp(text.ptr, word, text.len) == 0;
}

static bool ids(struct weir__b3 *out, struct weir_str trace, struct weir_str span)
{
	size_t bytes = trace.len / 2;

	if ((trace.len != 16 && trace.len != 32) || span.len != 16 ||
	    !weir__hex_read(out->ids.trace_id + (16 - bytes), trace.ptr, bytes) || !weir__hex_read(out->ids.span_id, span.ptr, 8))
		return false;
	out->has_ids = true;
	return !weir__is_zero(out->ids.trace_id, 16) && !weir__is_zero(out->ids.span_id, 8);
}

static bool finish(struct weir__b3 *out, bool valid)
{
	if (!valid)
		*out = (struct weir__b3){.has_ids = false};
	else if (out->has_ids && out->sampling >= WEIR__B3_YES)
		out->ids.flags = WEIR__FLAG_SAMPLED;
	return valid;
}

static bool single_sampling(struct weir__b3 *out, struct weir_str text)
{
	if (text.len != 1)
		return false;
	out->sampling = text.ptr[0] == '0'   ? WEIR__B3_NO
	                : text.ptr[0] == '1' ? WEIR__B3_YES
	                : text.ptr[0] == 'd' ? WEIR__B3_DEBUG
	                                     : WEIR__B3_DEFERRED;
	return out->sampling != WEIR__B3_DEFERRED;
}

static bool parse_single(struct weir__b3 *out, struct weir_str value)
{
	size_t trace = 0;
	uint8_t parent[8];
	const char *p;

	value = weir__trim(value);
	if (value.len < 16)
		return single_sampling(out, value);
	p = value.ptr;
	while (trace < value.len && trace < 33 && p[trace] != '-')
		trace++;
	if (value.len < trace + 17 || p[trace] != '-' ||
	    !ids(out, weir_str_n(p, trace), weir_str_n(p + trace + 1, 16)))
		return false;
	p += trace + 17;
	value.len -= trace + 17;
	if (value.len == 0)
		return true;
	if (value.len < 2 || p[0] != '-' || !single_sampling(out, weir_str_n(p + 1, 1)))
		return false;
	return value.len == 2 || (value.len == 19 && p[2] == '-' && weir__hex_read(parent, p + 3, 8));
}

bool weir__b3_parse(struct weir__b3 *out, struct weir_str value)
{
	*out = (struct weir__b3){.has_ids = false};
	return finish(out, value.ptr != NULL && parse_single(out, value));
}

bool weir__b3_parse_multi(struct weir__b3 *out, const struct weir__b3_multi *in)
{
	struct weir_str sampled = weir__trim(in->sampled), flags = weir__trim(in->flags);
	bool valid = true;

	*out = (struct weir__b3){.has_ids = false};
	if (in->trace_id.ptr != NULL || in->span_id.ptr != NULL)
		valid = ids(out, weir__trim(in->trace_id), weir__trim(in->span_id));
	if (flags.ptr != NULL && is(flags, "1"))
		out->sampling = WEIR__B3_DEBUG;
	else if (sampled.ptr != NULL && (is(sampled, "1") || is(sampled, "true")))
		out->sampling = WEIR__B3_YES;
	else if (sampled.ptr != NULL && (is(sampled, "0") || is(sampled, "false")))
		out->sampling = WEIR__B3_NO;
	else if (sampled.ptr != NULL)
		valid = false;
	return finish(out, valid && (out->has_ids || out->sampling != WEIR__B3_DEFERRED));
}

size_t weir__b3_write(char out[WEIR__B3_SINGLE_MAX], const struct weir__b3 *b3)
{
	size_t len = 0;

	if (b3->has_ids) {
		weir__hex_write(out, b3->ids.trace_id, 16);
		out[32] = '-';
		weir__hex_write(out + 33, b3->ids.span_id, 8);
		len = 49;
		if (b3->sampling != WEIR__B3_DEFERRED)
			out[len++] = '-';
	}
	if (b3->sampling != WEIR__B3_DEFERRED)
		out[len++] = b3->sampling == WEIR__B3_NO ? '0' : b3->sampling == WEIR__B3_YES ? '1' : 'd';
	out[len] = '\0';
	return len;
}

void weir__b3_write_multi(struct weir__b3_text *out, const struct weir__b3 *b3)
{
	*out = (struct weir__b3_text){.trace_id = ""};
	if (b3->has_ids) {
		weir__hex_write(out->trace_id, b3->ids.trace_id, 16);
		weir__hex_write(out->span_id, b3->ids.span_id, 8);
	}
	if (b3->sampling == WEIR__B3_DEBUG)
		out->flags[0] = '1';
	else if (b3->sampling != WEIR__B3_DEFERRED)
		out->sampled[0] = b3->sampling == WEIR__B3_YES ? '1' : '0';
}
