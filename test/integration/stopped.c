/* Who stops a thread at any instruction and reads its current trace sees one whole trace or none: never two mixed, never half a
 * record, never half an attribute. The reader is a debugger (ptrace), which steps through a request instruction by instruction,
 * and then stops it at random. */
#include "case.h"

#include <weir/abi/thread_context.h>
#include <weir/weir.h>

#include <sys/ptrace.h>
#include <sys/uio.h>

enum { STEPS = 150000, STOPS = 1500 };

/* Letters 'a' to 'f' are trace ids, parents' ids and routes of one request, so that a mixture shows. */
static void one_request(struct weir_ctx *ctx, struct weir_ctx *child, char letter)
{
	char text[56] = "00-00000000000000000000000000000000-0000000000000000-00", route[24];
	struct weir_header header = {weir_str_of("traceparent"), {text, 55}};
	struct weir_scope outer, inner;
	struct weir_span span;

	memset(text + 3, letter, 32);
	memset(text + 36, letter, 16);
	memset(route, letter, sizeof route);
	outer = weir_ctx_attach(ctx); /* as it was left: ended, or with another's trace */
	weir_ctx_begin(ctx, &header, 1);
	weir_span_begin(&span, ctx, WEIR_SERVER, "request");
	weir_ctx_set_route(ctx, weir_str_n(route, 4 + (size_t)(letter - 'a') * 4));
	inner = weir_ctx_attach(child);
	weir_ctx_begin_child(child, ctx);
	weir_ctx_detach(inner);
	weir_ctx_set_route(ctx, weir_str_n(route, 5));
	weir_span_end(&span);
	if (letter >= 'd')
		weir_ctx_end(child);
	weir_ctx_detach(outer);
	if (letter >= 'd')
		weir_ctx_end(ctx);
}

static void be_looked_at(void)
{
	static struct weir_ctx ctx[2], child[2];

	if (weir_init(&(struct weir_options){.size = sizeof(struct weir_options), .no_thread = true}) != WEIR_OK)
		_exit(1);
	for (char letter = 'a'; letter <= 'f'; letter++) /* what first use does is not of interest */
		one_request(&ctx[letter % 2], &child[letter % 2], letter);
	raise(SIGSTOP);
	for (unsigned n = 0;; n++)
		one_request(&ctx[n % 2], &child[n % 2], (char)('a' + n % 5)); /* each after each */
}

static bool read_at(pid_t pid, const void *from, void *to, size_t size)
{
	struct iovec here = {to, size}, there = {(void *)(uintptr_t)from, size};

	return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)size;
}

static unsigned none, whole, with_route;

static void look(pid_t pid)
{
	struct weir_thread_context record;
	const void *at = NULL;
	uint8_t of;

	if (!read_at(pid, &otel_thread_ctx_v1, &at, sizeof at)) /* the child's only thread has it where ours has it */
		FAIL("the variable cannot be read: %s", strerror(errno));
	if (at == NULL) {
		none++;
		return;
	}
	if (!read_at(pid, at, &record, sizeof record))
		FAIL("the record cannot be read: %s", strerror(errno));
	if (record.valid != 1) {
		CHECK(record.valid == 0);
		none++;
		return;
	}
	of = record.trace_id[0];
	CHECK(of >= 0xaa && of % 0x11 == 0);
	for (size_t i = 0; i < 24; i++)
		if (record.trace_id[i < 16 ? i : 0] != of || (i >= 16 && record.span_id[i - 16] != of))
			FAIL("of two traces: byte %zu is not %02x", i, of);
	whole++;
	if (record.attrs_bytes == 0)
		return;
	with_route++;
	CHECK(record.attrs_bytes <= sizeof record.attrs && record.attrs[0] == 0 && record.attrs[1] + 2 == record.attrs_bytes);
	for (size_t i = 0; i < record.attrs[1]; i++)
		if (record.attrs[2 + i] != 'a' + of / 0x11 - 10)
			FAIL("of another's route: byte %zu of %u", i, record.attrs[1]);
}

static pid_t begin(void)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(CASE_SKIPPED);
		be_looked_at();
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == CASE_SKIPPED)
		SKIP("ptrace is refused");
	CHECK(WIFSTOPPED(status));
	return pid;
}

static void end(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	NOTE("%u none, %u whole, %u with a route", none, whole, with_route);
	CHECK(none > 0 && whole > 0 && with_route > 0);
}

static void at_each_instruction(void)
{
	pid_t pid = begin();
	int status;

	for (int n = 0; n < STEPS && (!CASE_SANITIZED || n < STEPS / 10 || with_route == 0); n++) {
		CHECK(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0 && waitpid(pid, &status, 0) == pid);
		CHECK(WIFSTOPPED(status));
		look(pid);
	}
	end(pid);
}

static void at_random(void)
{
	pid_t pid = begin();
	int status;

	srand(4947);
	for (int n = 0; n < STOPS; n++) {
		struct timespec t = {0, rand() % 200000};

		CHECK(ptrace(PTRACE_CONT, pid, NULL, NULL) == 0);
		nanosleep(&t, NULL);
		kill(pid, SIGSTOP);
		CHECK(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
		look(pid);
	}
	end(pid);
}

CASES({"at_each_instruction", at_each_instruction, 100}, {"at_random", at_random, 60})
