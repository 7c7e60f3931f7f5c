/* bench: the harness that the C and C++ programs share: how a loop is timed and pinned, and how its figure is told.
 * Not part of the library. A program is called as PROGRAM ROW BATCH_MS BATCHES THREADS and prints one line a batch,
 * "ROW WHO VALUE": nanoseconds of one operation (or bytes, or a count). A row that it does not know prints nothing.
 * Invariant: what is timed is the loop alone, and its work is opaque to the compiler (bench_opaque, bench_barrier). */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bench {
	const char *row;
	uint64_t batch_ns;
	unsigned batches, threads;
};
struct bench bench_arguments(int argc, char **argv);
bool bench_is(const struct bench *b, const char *row); /* is it the row that was asked for? */
void bench_print(const struct bench *b, const char *who, double value);
void bench_require(bool what, const char *text); /* ends the program with that text if what is false */

/* count operations, on the thread of that number, from 0. */
typedef void bench_loop(void *arg, unsigned thread, uint64_t count);
/* Prints the mean ns of one operation: from the first thread's start to the last one's end, over all operations. */
void bench_measure(const struct bench *b, const char *who, bench_loop *loop, void *arg);

/* The same in blocks of so many operations: each block is timed, and what puts things in order after it is not. Prints the
 * median of the blocks' means. */
void bench_measure_blocks(const struct bench *b, const char *who, bench_loop *loop, void *arg, uint64_t block,
                          void (*between)(void *arg));

/* One operation that times itself, since what prepares it is not to be counted; returns its ns. */
typedef uint64_t bench_once(void *arg);
/* Prints the median of as many as a batch has time for, five at least. */
void bench_measure_once(const struct bench *b, const char *who, bench_once *once, void *arg);
/* The same, each on a new thread that does nothing else; keep: the threads of a batch all live until its end. */
void bench_measure_threads(const struct bench *b, const char *who, bench_once *once, void *arg, bool keep);
/* Prints by how much a thread that has called once grows the process; stacks were touched before. */
void bench_bytes_per_thread(const struct bench *b, const char *who, bench_once *once, void *arg);

uint64_t bench_now(void); /* CLOCK_MONOTONIC, ns */
uint64_t bench_cpu(void); /* what all threads of the process have run, ns */
void bench_pause(void); /* 10 ms of sleep */
uint64_t bench_resident_bytes(void); /* of this process, exact */
unsigned bench_thread_count(void); /* of this process */

static inline void bench_barrier(void)
{
	__asm__ volatile("" ::: "memory");
}
#define bench_opaque(variable) __asm__ volatile("" : "+r"(variable))

#ifdef __cplusplus
}
#endif
#endif
