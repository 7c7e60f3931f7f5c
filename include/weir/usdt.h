/* weir: probes of your own, which bpftrace, perf, gdb and BPF programs see by name in a running process (USDT, the notes of
 * SystemTap's sys/sdt.h). Included by itself.
 *
 *     WEIR_PROBE(shop, cart_full, cart->id, cart->name);
 *     bpftrace -e 'usdt:/usr/bin/shop:shop:cart_full { printf("%d %s\n", arg1, str(arg2)); }'
 *
 * A probe that nobody watches costs the look at one word, its semaphore, and evaluates no argument; one that is watched,
 * a trap into the kernel (0.6 to 5 us). weir's own probes stand in weir-probes(7). Where there are no ELF files the macro does nothing. */
#ifndef WEIR_USDT_H
#define WEIR_USDT_H

#include <weir/context.h>

/* provider, name: identifiers. The arguments: none to five, each an integer, a pointer or a text that ends in NUL (const char *,
 * whose first 256 bytes are looked at, so that who watches finds them in memory); each is a word of a pointer's size.
 * In front of them, as arg0, stands the current trace id: a pointer to its 16 bytes; zeros outside a request, and before its
 * first span. What a pointer leads to must be memory that this process has written.
 * In one program a name has one meaning: the same arguments wherever it stands.
 * Threads: any. Signals: safe. Blocks: no. Allocates: no. Owns: nothing. Errors: none. */
#define WEIR_PROBE(...) WEIR_PROBE_OF_(__VA_ARGS__, 5, 4, 3, 2, 1, 0, 0)(__VA_ARGS__, 0)

/* ---- what it is made of ---- */

#if defined(__ELF__) && defined(__GNUC__)
#if __SIZEOF_POINTER__ == 8
#define WEIR_PROBE_WORD_ ".8byte "
#define WEIR_PROBE_ARG_ "8@"
#else
#define WEIR_PROBE_WORD_ ".4byte "
#define WEIR_PROBE_ARG_ "4@"
#endif

/* A site: one nop, of one byte on x86, since five may be overwritten where a program is forked or traced, and a note that
 * tells of it. The semaphore is any of its name: who watches counts it up. */
#define WEIR_PROBE_SITE_(provider, name, format, ...)                                                                  \
	__asm__ __volatile__("990:\tnop\n"                                                                             \
	                     "\t.pushsection .note.stapsdt,\"?\",\"note\"\n"                                           \
	                     "\t.balign 4\n"                                                                           \
	                     "\t.4byte 992f-991f, 994f-993f, 3\n"                                                      \
	                     "991:\t.asciz \"stapsdt\"\n"                                                              \
	                     "992:\t.balign 4\n"                                                                       \
	                     "993:\t" WEIR_PROBE_WORD_ "990b\n"                                                        \
	                     "\t" WEIR_PROBE_WORD_ "_.stapsdt.base\n"                                                  \
	                     "\t" WEIR_PROBE_WORD_ #provider "_" #name "_semaphore\n"                                  \
	                     "\t.asciz \"" #provider "\", \"" #name "\", \"" format "\"\n"                             \
	                     "994:\t.balign 4\n"                                                                       \
	                     "\t.popsection\n"                                                                         \
	                     "\t.ifndef _.stapsdt.base\n"                                                              \
	                     "\t.pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"                 \
	                     "\t.weak _.stapsdt.base\n"                                                                \
	                     "\t.hidden _.stapsdt.base\n"                                                              \
	                     "_.stapsdt.base:\t.space 1\n"                                                             \
	                     "\t.size _.stapsdt.base, 1\n"                                                             \
	                     "\t.popsection\n"                                                                         \
	                     "\t.endif\n"                                                                              \
	                     :                                                                                         \
	                     : __VA_ARGS__                                                                             \
	                     : "memory")
#define WEIR_PROBE_1_(a) [weir_a_] "nr"(a)
#define WEIR_PROBE_2_(a, b) WEIR_PROBE_1_(a), [weir_b_] "nr"(b)
#define WEIR_PROBE_3_(a, b, c) WEIR_PROBE_2_(a, b), [weir_c_] "nr"(c)
#define WEIR_PROBE_4_(a, b, c, d) WEIR_PROBE_3_(a, b, c), [weir_d_] "nr"(d)
#define WEIR_PROBE_5_(a, b, c, d, e) WEIR_PROBE_4_(a, b, c, d), [weir_e_] "nr"(e)
#define WEIR_PROBE_6_(a, b, c, d, e, f) WEIR_PROBE_5_(a, b, c, d, e), [weir_f_] "nr"(f)
#define WEIR_PROBE_FORMAT_1_ WEIR_PROBE_ARG_ "%[weir_a_]"
#define WEIR_PROBE_FORMAT_2_ WEIR_PROBE_FORMAT_1_ " " WEIR_PROBE_ARG_ "%[weir_b_]"
#define WEIR_PROBE_FORMAT_3_ WEIR_PROBE_FORMAT_2_ " " WEIR_PROBE_ARG_ "%[weir_c_]"
#define WEIR_PROBE_FORMAT_4_ WEIR_PROBE_FORMAT_3_ " " WEIR_PROBE_ARG_ "%[weir_d_]"
#define WEIR_PROBE_FORMAT_5_ WEIR_PROBE_FORMAT_4_ " " WEIR_PROBE_ARG_ "%[weir_e_]"
#define WEIR_PROBE_FORMAT_6_ WEIR_PROBE_FORMAT_5_ " " WEIR_PROBE_ARG_ "%[weir_f_]"
/* WEIR_PROBE_HERE_(weir, drop, 2, reason, number): a site whose arguments are words already, without a look. */
#define WEIR_PROBE_HERE_(provider, name, count, ...)                                                                   \
	WEIR_PROBE_SITE_(provider, name, WEIR_PROBE_FORMAT_##count##_, WEIR_PROBE_##count##_(__VA_ARGS__))

/* Written by the kernel, while somebody watches; read at each pass. */
#define WEIR_PROBE_DECLARE_(semaphore)                                                                                 \
	extern volatile unsigned short semaphore __asm__(#semaphore) __attribute__((visibility("hidden")))
#define WEIR_PROBE_DEFINE_(semaphore)                                                                                  \
	__asm__ __volatile__("\t.ifndef " #semaphore "\n"                                                              \
	                     "\t.pushsection .probes,\"aw\",\"progbits\"\n"                                            \
	                     "\t.balign 2\n"                                                                           \
	                     "\t.weak " #semaphore "\n"                                                                \
	                     "\t.hidden " #semaphore "\n"                                                              \
	                     #semaphore ":\t.2byte 0\n"                                                                \
	                     "\t.size " #semaphore ", 2\n"                                                             \
	                     "\t.popsection\n"                                                                         \
	                     "\t.endif\n")

/* Each argument as a word. A text's bytes are looked at, so that they are in memory: a literal that nobody has touched, or that
 * only a parent has, is not, and reads as nothing. */
WEIR_INLINE_ uintptr_t weir_probe_text_(uintptr_t at)
{
	const volatile char *text;

	__builtin_memcpy(&text, &at, sizeof text);
	for (int n = 0; text != NULL && n < 256 && text[n] != '\0'; n++)
		;
	return at;
}
#ifdef __cplusplus
extern "C++" {
template <class T> inline uintptr_t weir_probe_arg_(T v)
{
	return static_cast<uintptr_t>(v);
}
template <class T> inline uintptr_t weir_probe_arg_(T *v)
{
	return reinterpret_cast<uintptr_t>(v);
}
inline uintptr_t weir_probe_arg_(const char *v)
{
	return weir_probe_text_(reinterpret_cast<uintptr_t>(v));
}
inline uintptr_t weir_probe_arg_(char *v)
{
	return weir_probe_text_(reinterpret_cast<uintptr_t>(v));
}
}
#else
WEIR_INLINE_ uintptr_t weir_probe_plain_(uintptr_t v)
{
	return v;
}
#define weir_probe_arg_(v)                                                                                             \
	_Generic((v), char *: weir_probe_text_, const char *: weir_probe_text_, default: weir_probe_plain_)((uintptr_t)(v))
#endif

/* The record that a context begins with (OTEP 4947): 16 bytes of trace id, 8 of span id, and whether they hold. */
WEIR_INLINE_ uintptr_t weir_probe_trace_(unsigned char trace_id[16])
{
	const struct weir_ctx *ctx = weir_ctx_current();
	unsigned char record[32];
	uintptr_t at;

	__builtin_memcpy(record, ctx, sizeof record);
	__builtin_memset(trace_id, 0, 16);
	if (record[24] == 1)
		__builtin_memcpy(trace_id, record, 16);
	__builtin_memcpy(&at, &trace_id, sizeof at);
	return at;
}

#define WEIR_PROBE_OF_(provider, name, a, b, c, d, e, n, ...) WEIR_PROBE_##n##_ARGS_
#define WEIR_PROBE_IF_(provider, name, count, ...)                                                                     \
	do {                                                                                                           \
		WEIR_PROBE_DECLARE_(provider##_##name##_semaphore);                                                    \
		WEIR_PROBE_DEFINE_(provider##_##name##_semaphore);                                                     \
		if (__builtin_expect(provider##_##name##_semaphore != 0, 0)) {                                         \
			unsigned char weir_trace_id_[16];                                                              \
			WEIR_PROBE_HERE_(provider, name, count, __VA_ARGS__);                                          \
		}                                                                                                      \
	} while (0)
#define WEIR_PROBE_T_ weir_probe_trace_(weir_trace_id_)
#define WEIR_PROBE_0_ARGS_(p, n, z) WEIR_PROBE_IF_(p, n, 1, WEIR_PROBE_T_)
#define WEIR_PROBE_1_ARGS_(p, n, a, z) WEIR_PROBE_IF_(p, n, 2, WEIR_PROBE_T_, weir_probe_arg_(a))
#define WEIR_PROBE_2_ARGS_(p, n, a, b, z) WEIR_PROBE_IF_(p, n, 3, WEIR_PROBE_T_, weir_probe_arg_(a), weir_probe_arg_(b))
#define WEIR_PROBE_3_ARGS_(p, n, a, b, c, z)                                                                           \
	WEIR_PROBE_IF_(p, n, 4, WEIR_PROBE_T_, weir_probe_arg_(a), weir_probe_arg_(b), weir_probe_arg_(c))
#define WEIR_PROBE_4_ARGS_(p, n, a, b, c, d, z)                                                                        \
	WEIR_PROBE_IF_(p, n, 5, WEIR_PROBE_T_, weir_probe_arg_(a), weir_probe_arg_(b), weir_probe_arg_(c), weir_probe_arg_(d))
#define WEIR_PROBE_5_ARGS_(p, n, a, b, c, d, e, z)                                                                     \
	WEIR_PROBE_IF_(p, n, 6, WEIR_PROBE_T_, weir_probe_arg_(a), weir_probe_arg_(b), weir_probe_arg_(c), weir_probe_arg_(d),  \
	               weir_probe_arg_(e))
#else
#define WEIR_PROBE_OF_(provider, name, a, b, c, d, e, n, ...) WEIR_PROBE_NOTHING_
#define WEIR_PROBE_NOTHING_(...) ((void)0)
#endif
#endif
