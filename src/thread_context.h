/* L0: the thread-local pointer of OTEP 4947; see weir/abi/thread_context.h. It must not be taken in by "initial-exec", as the rest
 * of weir's is, since readers look for its descriptor: so it lies alone, and threads keep the address of their own.
 * Writer: each thread its own. */
#ifndef WEIR_THREAD_CONTEXT_H
#define WEIR_THREAD_CONTEXT_H

const void **weir__thread_context(void); /* this thread's pointer */

#endif
