/* For package.sh: contexts and spans in memory that the program writes as words, just before and behind weir's calls, so that a
 * compiler that sees both sides (weir and this with -flto) must know that they may be the same. Ends with 0 where all that was
 * put in came out. */
#include <weir/weir.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char incoming[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
static unsigned taken;
static char sent[64];

static int take(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	struct weir_ended e;

	(void)arg;
	(void)timeout_ns;
	for (weir_ended_begin(&e, batch); weir_ended_next(&e);)
		taken += e.name.len == 4 && e.attrs.count == 1 && e.ids.trace_id[0] == 0x0a && !e.failed;
	return WEIR_OK;
}

static void put(void *arg, struct weir_str name, struct weir_str value)
{
	(void)arg;
	if (name.len == 11 && value.len < sizeof sent)
		memcpy(sent, value.ptr, value.len);
}

/* Every word is written as a word first, and looked at as a word last. */
static int request(uint64_t word)
{
	struct weir_header header = {weir_str_of("traceparent"), weir_str_of(incoming)};
	struct weir_ctx ctx;
	struct weir_span span;
	uint64_t *words = (uint64_t *)(void *)&ctx;
	int wrong = 0;

	for (int i = 0; i < 128; i++)
		words[i] = word;
	span = (struct weir_span){{word, word, word}};
	weir_ctx_begin(&ctx, &header, 1);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "work");
	wrong += !weir_span_is_recording(&span);
	weir_span_set_with(&span, weir_attr_int("n", (int64_t)word));
	weir_span_inject(&span, put, NULL);
	wrong += memcmp(sent, incoming, 36) != 0 || memcmp(sent + 36, incoming + 36, 16) == 0;
	weir_span_end(&span);
	wrong += weir_span_is_recording(&span);
	weir_ctx_end(&ctx);
	wrong += words[0] != UINT64_C(0xdd43cd161965f70a);
	for (int i = 0; i < 128; i++)
		words[i] = word;
	wrong += words[0] != word;
	return wrong;
}

int main(void)
{
	struct weir_options o = {.size = sizeof o, .no_thread = true, .no_process = true};
	struct weir_exporter_options e = {.size = sizeof e, .spans = take};
	struct weir_exporter *exporter;
	int wrong = 0;

	if (weir_init(&o) != WEIR_OK || weir_exporter_new(&exporter, &e) != WEIR_OK)
		return 2;
	for (unsigned n = 0; n < 1000; n++)
		wrong += request(n % 2 != 0 ? UINT64_C(0x5c71ffff5c71ffff) * n : 0);
	if (weir_shutdown(WEIR_S(10)) != WEIR_OK)
		return 3;
	if (wrong != 0 || taken != 1000)
		fprintf(stderr, "%d wrong, %u spans of 1000\n", wrong, taken);
	return wrong != 0 || taken != 1000;
}
