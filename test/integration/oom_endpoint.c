/* What the endpoint asks of the system fails once, in turn: this program's own malloc, calloc, realloc, mmap, mprotect,
 * pthread_create, socket, bind, listen, epoll_create1, epoll_ctl (to add), signalfd, accept and accept4 stand before
 * libc's for libweir, libweir-prometheus and libmicrohttpd too, and the k-th call fails, for every k, over a life that
 * is scraped. Nothing crashes or hangs; the endpoint starts, or says why not and starts when asked again; an answer is
 * whole, an error's, or none, and the next one is whole. Public API only.
 *
 * Invariant: calls are counted, and fail, only while `failing` is set, and never the client's; else they are libc's. */
#include "endpoint_client.h"

#include <dlfcn.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>

#if CASE_SANITIZED

static void without_sanitizers_only(void)
{
	SKIP("a sanitizer stands where this test's allocator would");
}
CASES({"every_call_of_the_endpoint_fails_once", without_sanitizers_only, 10})

#else

WEIR_COUNTER(adds, "oom_adds_total", "Adds.");
WEIR_COUNTER(labelled, "oom_labelled_total", "Adds by label.", "k");
WEIR_HISTOGRAM(times, WEIR_LATENCY_SLO(990000, WEIR_MS(10)), "oom_times_seconds", "Times.");

/* ---- the calls ---- */

enum call {
	MALLOC,
	CALLOC,
	REALLOC,
	MMAP,
	MPROTECT,
	THREAD,
	SOCKET,
	BIND,
	LISTEN,
	EPOLL_CREATE,
	EPOLL_ADD,
	SIGNALFD,
	ACCEPT,
	KINDS,
	ANY = KINDS
};
static const char *const name_of[KINDS] = {"malloc",         "calloc", "realloc", "mmap",   "mprotect",
                                           "pthread_create", "socket", "bind",    "listen", "epoll_create1",
                                           "epoll_ctl",      "signalfd", "accept"};

static bool failing; /* between begin and end */
static __thread bool in_client; /* the other side's calls are not what is tested */
static uint64_t calls_of[KINDS]; /* so far, of this life */
static uint64_t calls, fail_at = UINT64_MAX; /* this one fails, counted from 1 */
static enum call fail_kind = ANY; /* counted are these only */
static int accept_error = EMFILE;
static enum call failed_kind = KINDS; /* what failed; KINDS: nothing yet */

static bool fails(enum call kind)
{
	if (!__atomic_load_n(&failing, __ATOMIC_ACQUIRE) || in_client)
		return false;
	__atomic_add_fetch(&calls_of[kind], 1, __ATOMIC_RELAXED);
	if (fail_kind != ANY && fail_kind != kind)
		return false;
	if (__atomic_add_fetch(&calls, 1, __ATOMIC_ACQ_REL) != fail_at)
		return false;
	__atomic_store_n(&failed_kind, kind, __ATOMIC_RELEASE);
	return true;
}

static bool fails_with(enum call kind, int error)
{
	if (!fails(kind))
		return false;
	errno = error;
	return true;
}

#pragma GCC visibility push(default) /* so that the libraries find these first */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

void *malloc(size_t size)
{
	return fails_with(MALLOC, ENOMEM) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails_with(CALLOC, ENOMEM) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	return fails_with(REALLOC, ENOMEM) ? NULL : __libc_realloc(memory, size);
}

static struct {
	void *(*mmap)(void *, size_t, int, int, int, off_t);
	int (*mprotect)(void *, size_t, int);
	int (*pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	int (*socket)(int, int, int);
	int (*bind)(int, __CONST_SOCKADDR_ARG, socklen_t);
	int (*listen)(int, int);
	int (*epoll_create1)(int);
	int (*epoll_ctl)(int, int, int, struct epoll_event *);
	int (*signalfd)(int, const sigset_t *, int);
	int (*accept)(int, __SOCKADDR_ARG, socklen_t *);
	int (*accept4)(int, __SOCKADDR_ARG, socklen_t *, int);
} libc;

/* Before anybody's constructor: the loader calls the first of these before there are threads. */
__attribute__((constructor(101))) static void find_libc(void)
{
#define FIND(name) *(void **)(void *)&libc.name = dlsym(RTLD_NEXT, #name)
	if (libc.accept4 != NULL)
		return;
	FIND(mmap);
	FIND(mprotect);
	FIND(pthread_create);
	FIND(socket);
	FIND(bind);
	FIND(listen);
	FIND(epoll_create1);
	FIND(epoll_ctl);
	FIND(signalfd);
	FIND(accept);
	FIND(accept4);
}

void *mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	find_libc();
	return fails_with(MMAP, ENOMEM) ? MAP_FAILED : libc.mmap(at, bytes, protection, flags, fd, offset);
}

int mprotect(void *at, size_t bytes, int protection)
{
	find_libc();
	return fails_with(MPROTECT, ENOMEM) ? -1 : libc.mprotect(at, bytes, protection);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	find_libc();
	return fails(THREAD) ? EAGAIN : libc.pthread_create(thread, attr, run, arg);
}

int socket(int family, int type, int protocol)
{
	find_libc();
	return fails_with(SOCKET, EMFILE) ? -1 : libc.socket(family, type, protocol);
}

/* These types are what libc declares them with. */
int bind(int fd, __CONST_SOCKADDR_ARG address, socklen_t len)
{
	find_libc();
	return fails_with(BIND, EADDRINUSE) ? -1 : libc.bind(fd, address, len);
}

int listen(int fd, int backlog)
{
	find_libc();
	return fails_with(LISTEN, EADDRINUSE) ? -1 : libc.listen(fd, backlog);
}

int epoll_create1(int flags)
{
	find_libc();
	return fails_with(EPOLL_CREATE, EMFILE) ? -1 : libc.epoll_create1(flags);
}

/* Only to add takes memory, or one of the user's watches. */
int epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
	find_libc();
	if (what == EPOLL_CTL_ADD && fails_with(EPOLL_ADD, ENOSPC))
		return -1;
	return libc.epoll_ctl(epoll, what, fd, event);
}

int signalfd(int fd, const sigset_t *signals, int flags)
{
	find_libc();
	return fails_with(SIGNALFD, EMFILE) ? -1 : libc.signalfd(fd, signals, flags);
}

int accept(int fd, __SOCKADDR_ARG from, socklen_t *len)
{
	find_libc();
	return fails_with(ACCEPT, accept_error) ? -1 : libc.accept(fd, from, len);
}

int accept4(int fd, __SOCKADDR_ARG from, socklen_t *len, int flags)
{
	find_libc();
	return fails_with(ACCEPT, accept_error) ? -1 : libc.accept4(fd, from, len, flags);
}

#pragma GCC visibility pop

/* ---- one life ---- */

static struct told {
	uint64_t calls, of[KINDS], refused, errors, closed;
	enum call failed;
} told;

/* One scrape: 200 and whole, or an error's answer and whole, or a connection that was closed; true: the first. *len is
 * then the text's length, before gzip. */
static bool ask_once(uint16_t port, bool gzip, size_t *len)
{
	struct reply r;
	bool well;
	int fd;

	in_client = true;
	fd = client_connect(port);
	client_ask(fd, "GET", "/metrics", gzip ? "Accept-Encoding: gzip\r\nConnection: close\r\n" : "");
	r = client_read(fd, true, 10000);
	close(fd);
	if (r.late)
		FAIL("no answer in time, after %zu bytes and status %d", r.len, r.status);
	if (r.status == 0 ? r.len != 0 : !is_whole(&r))
		FAIL("an answer broke off: status %d, %zu bytes, %zu of %s of the body", r.status, r.len, r.body_len,
		     header_of(&r, "Content-Length"));
	well = r.status == 200;
	if (!well && r.status != 0 && (r.status < 500 || r.status > 599))
		FAIL("status %d", r.status);
	told.closed += r.status == 0;
	told.errors += r.status >= 500;
	if (well && gzip) { /* it ends with the length of what was packed */
		const unsigned char *body = (const unsigned char *)r.body, *end = body + r.body_len - 4;

		CHECK(r.body_len > 18 && body[0] == 0x1f && body[1] == 0x8b);
		CHECK(strcmp(header_of(&r, "Content-Encoding"), "gzip") == 0);
		*len = (size_t)end[0] | (size_t)end[1] << 8 | (size_t)end[2] << 16 | (size_t)end[3] << 24;
	} else if (well) {
		CHECK(r.body_len != 0 && r.body[r.body_len - 1] == '\n');
		*len = r.body_len;
	}
	reply_free(&r);
	in_client = false;
	return well;
}

/* Only one call fails: what it spoils is one answer at most, and where it was an accept, the next one is whole. */
static size_t scrape_through(uint16_t port, bool gzip)
{
	size_t len = 0;

	if (!ask_once(port, gzip, &len) && !ask_once(port, gzip, &len))
		FAIL("after a failed %s two scrapes fail",
		     __atomic_load_n(&failed_kind, __ATOMIC_ACQUIRE) < KINDS ? name_of[failed_kind] : "nothing");
	return len;
}

static void record_some(void)
{
	for (int n = 0; n < 5; n++) {
		weir_counter_add(&adds, 1);
		weir_counter_add_with(&labelled, 1, n % 2 == 0 ? "even" : "odd");
		weir_histogram_record(&times, WEIR_MS(1));
	}
}

static bool is_alone(void)
{
	return proc_status("Threads:", 10) == 1;
}

static void life(void)
{
	struct weir_options o = {
	    .size = sizeof o, .tick_ns = WEIR_MS(1000), .log_level = WEIR_LOG_NONE, .no_process = true};
	/* one snapshot for all of a life's scrapes: text and gzip are of the same length */
	struct weir_prometheus_options p = {
	    .size = sizeof p, .host = "127.0.0.1", .any_port = true, .max_age_ns = WEIR_S(60)};
	size_t plain, packed;
	int error = weir_init(&o);

	if (error != WEIR_OK) {
		EQUAL_INT(error, WEIR_ENOMEM);
		EQUAL_INT(weir_init(&o), WEIR_OK);
	}
	record_some();
	error = weir_prometheus_start(&p);
	if (error != WEIR_OK) {
		CHECK(error == WEIR_ENOMEM || error == WEIR_EIO);
		EQUAL(weir_prometheus_port(), 0);
		told.refused++;
		EQUAL_INT(weir_prometheus_start(&p), WEIR_OK);
	}
	CHECK(weir_prometheus_port() != 0);
	plain = scrape_through(weir_prometheus_port(), false);
	packed = scrape_through(weir_prometheus_port(), true);
	EQUAL(packed, plain);
	error = weir_prometheus_stop(); /* at its own deadline the thread goes on to its end, which is waited for below */
	CHECK(error == WEIR_OK || error == WEIR_ETIMEOUT);
	EQUAL(weir_prometheus_port(), 0);
	if (weir_shutdown(WEIR_S(10)) == WEIR_ETIMEOUT)
		FAIL("shutdown hangs");
}

/* Life k: in a process of its own, which ends well; and once nothing fails any more, another life in it does. */
static void life_of_its_own(void)
{
	fail_at = strtoull(getenv("OOM_AT"), NULL, 10);
	fail_kind = (enum call)atoi(getenv("OOM_KIND"));
	accept_error = atoi(getenv("OOM_ERROR"));
	__atomic_store_n(&failing, true, __ATOMIC_RELEASE);
	life();
	__atomic_store_n(&failing, false, __ATOMIC_RELEASE);
	WITHIN_MS(10000, is_alone());
	told.calls = calls;
	told.failed = failed_kind;
	memcpy(told.of, calls_of, sizeof told.of);
	failed_kind = KINDS;
	if (told.refused + told.errors + told.closed > 1)
		FAIL("one failed %s spoils %llu starts and %llu answers", name_of[told.failed],
		     (unsigned long long)told.refused, (unsigned long long)(told.errors + told.closed));
	if (write(90, &told, sizeof told) != sizeof told)
		_exit(CASE_FAILED);
	life();
	WITHIN_MS(10000, is_alone());
	exit(0);
}

/* ---- all of them ---- */

/* Each life is started anew, so that the first call is the process' first. They mostly wait: some go side by side. */
enum { SIDE_BY_SIDE = 6 };
static struct life_under_way {
	pid_t child;
	int told;
	uint64_t at;
} under_way[SIDE_BY_SIDE];
static struct told last_told, sum;
static uint64_t failed_of[KINDS];

static void end_life(struct life_under_way *l)
{
	int end;

	if (l->child == 0)
		return;
	end = child_end(l->child, 60000);
	if (read(l->told, &last_told, sizeof last_told) != sizeof last_told)
		last_told.failed = KINDS;
	if (end != 0)
		FAIL("with call %llu failing (%s), a life ends with %d (-1: hung, 1000 and more: a signal)",
		     (unsigned long long)l->at, last_told.failed < KINDS ? name_of[last_told.failed] : "untold", end);
	if (last_told.failed < KINDS)
		failed_of[last_told.failed]++;
	sum.refused += last_told.refused;
	sum.errors += last_told.errors;
	sum.closed += last_told.closed;
	close(l->told);
	l->child = 0;
}

static void end_lives(void)
{
	for (int i = 0; i < SIDE_BY_SIDE; i++)
		end_life(&under_way[i]);
}

static void start_life(uint64_t at, enum call kind, int error)
{
	static unsigned next;
	struct life_under_way *l = &under_way[next++ % SIDE_BY_SIDE];
	char text[3][24];
	int ends[2];

	end_life(l);
	snprintf(text[0], sizeof text[0], "%llu", (unsigned long long)at);
	snprintf(text[1], sizeof text[1], "%d", (int)kind);
	snprintf(text[2], sizeof text[2], "%d", error);
	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	l->at = at;
	l->told = ends[0];
	l->child = fork();
	CHECK(l->child >= 0);
	if (l->child == 0) {
		char *const args[] = {(char[]){"oom_endpoint"}, (char[]){"life_of_its_own"}, NULL};

		dup2(ends[1], 90);
		setenv("OOM_AT", text[0], 1);
		setenv("OOM_KIND", text[1], 1);
		setenv("OOM_ERROR", text[2], 1);
		execv("/proc/self/exe", args);
		_exit(126);
	}
	close(ends[1]);
}

static uint64_t calls_of_life(enum call kind)
{
	start_life(UINT64_MAX, kind, EMFILE);
	end_lives();
	EQUAL(last_told.refused + last_told.errors + last_told.closed, 0);
	return last_told.calls;
}

static void every_call_of_the_endpoint_fails_once(void)
{
	uint64_t all = calls_of_life(ANY);
	char line[512] = "";

	for (int i = 0; i < KINDS; i++) { /* or else the libraries do not call this program's */
		size_t len = strlen(line);

		snprintf(line + len, sizeof line - len, " %llu %s", (unsigned long long)last_told.of[i], name_of[i]);
		if (last_told.of[i] == 0)
			FAIL("%s is never called", name_of[i]);
	}
	NOTE("calls:%s", line);
	for (uint64_t k = 1; k <= all; k++)
		start_life(k, ANY, EMFILE);
	end_lives();
	NOTE("%llu starts were refused, %llu answers were an error's, %llu connections were closed",
	     (unsigned long long)sum.refused, (unsigned long long)sum.errors, (unsigned long long)sum.closed);
	for (int i = 0; i < KINDS; i++)
		if (failed_of[i] == 0)
			FAIL("%s never failed", name_of[i]);
	CHECK(sum.refused != 0 && sum.errors != 0 && sum.closed != 0);
}

static void accept_fails_for_each_reason(void)
{
	static const int reasons[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS, ECONNABORTED, EINTR, EPROTO};
	uint64_t all = calls_of_life(ACCEPT);

	CHECK(all >= 2);
	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		for (uint64_t k = 1; k <= all; k++)
			start_life(k, ACCEPT, reasons[i]);
	end_lives();
	NOTE("%llu accepts failed, %llu connections were closed", (unsigned long long)failed_of[ACCEPT],
	     (unsigned long long)sum.closed);
	EQUAL(sum.refused + sum.errors + sum.closed, 0);
	CHECK(failed_of[ACCEPT] >= sizeof reasons / sizeof *reasons);
}

CASES({"every_call_of_the_endpoint_fails_once", every_call_of_the_endpoint_fails_once, 100},
      {"accept_fails_for_each_reason", accept_fails_for_each_reason, 100}, {"life_of_its_own", life_of_its_own, 0})

#endif
