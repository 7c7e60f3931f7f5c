/* weir: which trace a thread is at, as another process reads it (OTEP 4947, "thread context"): a thread-local pointer that
 * stands in .dynsym, to a record that begins the current context; NULL where none is attached. A reader looks while the thread
 * is stopped (a BPF program on its own thread, ptrace), and takes a record for what it says only where valid is 1.
 *
 * Writer: weir_ctx_attach and weir_ctx_detach swap the pointer; a record that is being filled anew has valid 0 meanwhile. */
#ifndef WEIR_ABI_THREAD_CONTEXT_H
#define WEIR_ABI_THREAD_CONTEXT_H

#include <weir/base.h>

WEIR_BEGIN_DECLS_

/* attrs holds attrs_bytes of entries, one after the other: the key's index (u8), the value's length (u8), the value. What an
 * index means stands in the process context (OTEP 4719), under threadlocal.attribute_key_map: 0 is http.route, and n the n-th
 * claim of the policies. Of two entries with one key the later counts. */
struct weir_thread_context {
	uint8_t trace_id[16], span_id[8];
	uint8_t valid, flags;
	uint16_t attrs_bytes;
	uint8_t attrs[36];
};
WEIR_ASSERT_(sizeof(struct weir_thread_context) == 64, "as OTEP 4947 has it, in a line of the cache");
WEIR_ASSERT_(__builtin_offsetof(struct weir_thread_context, span_id) == 16, "likewise");
WEIR_ASSERT_(__builtin_offsetof(struct weir_thread_context, valid) == 24, "likewise");
WEIR_ASSERT_(__builtin_offsetof(struct weir_thread_context, flags) == 25, "likewise");
WEIR_ASSERT_(__builtin_offsetof(struct weir_thread_context, attrs_bytes) == 26, "likewise");
WEIR_ASSERT_(__builtin_offsetof(struct weir_thread_context, attrs) == 28, "likewise");

/* Read it, and write it never. In an archive too it is visible: a program that is linked with libweir.a has it in .dynsym by
 * -Wl,--export-dynamic-symbol=otel_thread_ctx_v1, which weir.pc and weir::weir_static give. */
extern __attribute__((visibility("default"))) __thread const void *otel_thread_ctx_v1;

WEIR_END_DECLS_
#endif
