/* L0: probes. See probe.h. No data of its own but the semaphores. */
#include "probe.h"

#include "port.h"

#include <string.h>

/* In a section of their own, by which those who watch find where they stand in the file. lld lays two segments over one page of
 * the file, and in a process that starts while somebody watches already the kernel counts up the word that it meets first, in the
 * segment that is read-only later. So what may be linked by any linker has the section begin a page; weir's own libraries are
 * linked so that no segments share one (cmake/WeirLibrary.cmake). */
#ifndef WEIR_BUILDING_SHARED_
__asm__("\t.pushsection .probes, \"aw\", \"progbits\"\n\t.balign 4096\n\t.popsection\n");
#endif
/* Whole-program optimizers do not see that notes ask for them. */
#ifdef __clang__
#define WEIR__KEPT used
#else
#define WEIR__KEPT used, externally_visible
#endif
#define DEFINE(name) volatile unsigned short weir_##name##_semaphore __attribute__((section(".probes"), WEIR__KEPT)) = 0;
WEIR__PROBES(DEFINE)

#define WORD(v) ((uintptr_t)(v))

const char *weir__probe_text(char out[WEIR__PROBE_TEXT], const char *text, size_t len)
{
	if (text == NULL || len == 0) {
		text = "-";
		len = 1;
	}
	if (len >= WEIR__PROBE_TEXT)
		len = WEIR__PROBE_TEXT - 1;
	memcpy(out, text, len);
	out[len] = '\0';
	return out;
}

const char *weir__nth_text(const char *texts, unsigned n)
{
	for (; n != 0; n--)
		texts += strlen(texts) + 1;
	return texts;
}

void weir__probe_drop(const char *reason, uint64_t number)
{
	char text[WEIR__PROBE_TEXT];

	weir__probe_text(text, reason, strlen(reason));
	WEIR_PROBE_HERE_(weir, drop, 2, WORD(text), WORD(number));
}

void weir__probe_overflow(const char *instrument, uint64_t cap)
{
	char text[WEIR__PROBE_TEXT];

	weir__probe_text(text, instrument, strlen(instrument));
	WEIR_PROBE_HERE_(weir, overflow, 2, WORD(text), WORD(cap));
}

void weir__probe_config(const char *what, const char *name)
{
	char text[WEIR__PROBE_TEXT], kind[WEIR__PROBE_TEXT];

	if (!WEIR__WATCHED(config))
		return;
	weir__probe_text(kind, what, strlen(what));
	weir__probe_text(text, name, strlen(name));
	WEIR_PROBE_HERE_(weir, config, 2, WORD(kind), WORD(text));
}

static void texts(char name[WEIR__PROBE_TEXT], char signal[8], const char *exporter, bool spans)
{
	weir__probe_text(name, exporter, strlen(exporter));
	memcpy(signal, spans ? "spans\0\0" : "metrics", 8);
}

uint64_t weir__probe_export_begin(const char *exporter, bool spans, uint64_t number)
{
	char name[WEIR__PROBE_TEXT], signal[8];

	if (WEIR__WATCHED(export_begin)) {
		texts(name, signal, exporter, spans);
		WEIR_PROBE_HERE_(weir, export_begin, 3, WORD(name), WORD(signal), WORD(number));
	}
	return WEIR__WATCHED(export_end) ? weir__clock_ns() : 0;
}

int weir__probe_export_end(const char *exporter, bool spans, uint64_t number, int error, uint64_t began_ns)
{
	char name[WEIR__PROBE_TEXT], signal[8];

	if (!WEIR__WATCHED(export_end))
		return error;
	texts(name, signal, exporter, spans);
	WEIR_PROBE_HERE_(weir, export_end, 5, WORD(name), WORD(signal), WORD(number), WORD((intptr_t)error),
	                 WORD(began_ns != 0 ? weir__clock_ns() - began_ns : 0));
	return error;
}
