/* Every allocation fails once, in turn, over a whole life with weir-otlp: start, spans and metrics, flush, stop, shutdown, of
 * weir, weir-otlp, libcurl and zlib alike. Nothing crashes or hangs; a start that fails may be tried again; a span has come,
 * or is counted as dropped; deltas add up to what was recorded, since one that was not taken is in the next. The receiver is a
 * process of its own. Public API only. */
#include "case.h"

#include <weir/otlp.h>
#include <weir/weir.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>

#if CASE_SANITIZED

static void without_sanitizers_only(void)
{
	SKIP("a sanitizer stands where this test's allocator would");
}
CASES({"every_allocation_of_otlp_fails_once", without_sanitizers_only, 10})

#else

#include "oom_calls.h"

WEIR_COUNTER(adds, "oom_otlp_adds_total", "Adds.");
WEIR_HISTOGRAM(times, WEIR_LATENCY, "oom_otlp_times_seconds", "Times.", "k");

enum { SIDE_BY_SIDE = 32, BODY_MOST = 1 << 20 };

/* ---- the receiver ---- */

static struct received { /* shared with its processes */
	uint32_t lock;
	uint64_t requests, spans;
	int64_t adds;
	uint32_t bodies;
	uint64_t seen[4096]; /* hashes: a request that comes again counts once */
} *received;

struct bytes {
	const uint8_t *at, *end;
};

static uint64_t varint(struct bytes *b)
{
	uint64_t n = 0;

	for (unsigned shift = 0; b->at < b->end && shift < 64; shift += 7) {
		uint8_t byte = *b->at++;

		n |= (uint64_t)(byte & 127) << shift;
		if (byte < 128)
			return n;
	}
	FAIL("no varint");
}

/* The next field: its number, and its bytes or its number; false: the end. */
static bool next_field(struct bytes *b, uint64_t *field, struct bytes *inner, uint64_t *number)
{
	uint64_t tag;

	if (b->at == b->end)
		return false;
	tag = varint(b);
	*field = tag >> 3;
	*inner = (struct bytes){NULL, NULL};
	*number = 0;
	switch (tag & 7) {
	case 0:
		*number = varint(b);
		return true;
	case 1:
		CHECK(b->end - b->at >= 8);
		memcpy(number, b->at, 8);
		b->at += 8;
		return true;
	case 2:
		*number = varint(b);
		CHECK((uint64_t)(b->end - b->at) >= *number);
		*inner = (struct bytes){b->at, b->at + *number};
		b->at += *number;
		return true;
	case 5:
		CHECK(b->end - b->at >= 4);
		b->at += 4;
		return true;
	default:
		FAIL("wire type %u", (unsigned)(tag & 7));
	}
}

/* opentelemetry-proto: the field's numbers from the request down to what is looked for. */
static void walk(struct bytes b, const uint8_t *path, void (*found)(struct bytes b, uint64_t number))
{
	struct bytes inner;
	uint64_t field, number;

	while (next_field(&b, &field, &inner, &number))
		if (field == path[0]) {
			if (path[1] == 0)
				found(inner, number);
			else
				walk(inner, path + 1, found);
		}
}

static void count_span(struct bytes b, uint64_t number)
{
	(void)b;
	(void)number;
	received->spans++;
}

static void sum_point(struct bytes b, uint64_t number)
{
	(void)b;
	received->adds += (int64_t)number;
}

static void look_at_metric(struct bytes b, uint64_t number)
{
	static const uint8_t as_int[] = {7, 1, 6, 0};
	struct bytes rest = b, name;
	uint64_t field;

	if (next_field(&rest, &field, &name, &number) && field == 1 && number == strlen("oom_otlp_adds_total") &&
	    memcmp(name.at, "oom_otlp_adds_total", number) == 0)
		walk(b, as_int, sum_point);
}

static void take(bool traces, const uint8_t *body, size_t len)
{
	static const uint8_t spans[] = {1, 2, 2, 0}, metrics[] = {1, 2, 2, 0};
	uint64_t hash = 14695981039346656037u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ body[i]) * 1099511628211u;
	received->requests++;
	for (uint32_t i = 0; i < received->bodies; i++)
		if (received->seen[i] == hash)
			return;
	CHECK(received->bodies < 4096);
	received->seen[received->bodies++] = hash;
	walk((struct bytes){body, body + len}, traces ? spans : metrics, traces ? count_span : look_at_metric);
}

static size_t content_length(const char *head)
{
	const char *at = strcasestr(head, "\r\ncontent-length:");

	return at != NULL ? strtoul(at + 17, NULL, 10) : 0;
}

/* One connection: requests, each answered by an empty message. gzip: bodies are not looked at. */
static void serve_one(int fd, bool gzip)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
	static char buffer[BODY_MOST];
	size_t len = 0;
	ssize_t got;

	while ((got = read(fd, buffer + len, sizeof buffer - 1 - len)) > 0) {
		char *body;

		len += (size_t)got;
		buffer[len] = '\0';
		body = strstr(buffer, "\r\n\r\n");
		if (body == NULL || len - (size_t)(body + 4 - buffer) < content_length(buffer))
			continue;
		while (__atomic_exchange_n(&received->lock, 1, __ATOMIC_ACQUIRE) != 0)
			usleep(100);
		if (gzip)
			received->requests++;
		else
			take(memcmp(buffer, "POST /v1/traces ", 16) == 0, (const uint8_t *)body + 4, content_length(buffer));
		__atomic_store_n(&received->lock, 0, __ATOMIC_RELEASE);
		len = 0; /* libcurl sends no second request before it has the answer */
		if (send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

static void start_receiver(char url[64], bool gzip)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof at;
	pid_t parent = getpid();

	received = mmap(NULL, sizeof *received, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(received != MAP_FAILED && listener >= 0 && bind(listener, (struct sockaddr *)&at, sizeof at) == 0);
	CHECK(listen(listener, 16) == 0 && getsockname(listener, (struct sockaddr *)&at, &len) == 0);
	snprintf(url, 64, "http://127.0.0.1:%u", ntohs(at.sin_port));
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGCHLD, SIG_IGN);
		while (getppid() == parent) {
			int fd = accept(listener, NULL, NULL);

			if (fork() == 0) {
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				serve_one(fd, gzip);
			}
			close(fd);
		}
		_exit(0);
	}
	close(listener);
}

/* ---- a life ---- */

enum way { DELTA, GZIP_AND_SPOOL, WAYS };
static uint64_t recorded, added;
static uint32_t refused;

static void work(int n)
{
	for (int i = 0; i < n; i++) {
		struct weir_ctx ctx;
		struct weir_span span;

		weir_ctx_begin(&ctx, NULL, 0);
		weir_span_begin(&span, &ctx, WEIR_SERVER, "request");
		weir_span_set_with(&span, weir_attr_int("n", i));
		recorded += weir_span_is_recording(&span);
		weir_span_end(&span);
		weir_ctx_end(&ctx);
		weir_counter_add(&adds, 1);
		added++;
		weir_histogram_record_with(&times, WEIR_MS(1), "x");
	}
}

static struct weir_status status_now(void)
{
	struct weir_status status;

	memset(&status, 0, sizeof status);
	status.size = sizeof status;
	CHECK(weir_status_read(&status) == WEIR_OK);
	return status;
}

/* What weir-otlp says it dropped, of a signal. */
static uint64_t dropped_by_otlp(const char *signal)
{
	static const char *const reasons[] = {"limit", "age", "refused", "rejected", "size", "memory", "spool", "shutdown"};
	struct weir_snapshot *snapshot;
	uint64_t sum = 0;

	EQUAL_INT(weir_snapshot_new(&snapshot), WEIR_OK);
	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
		struct weir_str values[] = {weir_str_of(signal), weir_str_of(reasons[i])};
		struct weir_series s;

		if (weir_snapshot_find(snapshot, "weir_otlp_dropped_total", values, 2, &s))
			sum += s.count;
	}
	weir_snapshot_destroy(snapshot);
	return sum;
}

static void not_late(int result, const char *what)
{
	if (result == WEIR_ETIMEOUT)
		FAIL("%s hangs", what);
}

static void begin(enum way way, const char *url, const char *folder)
{
	struct weir_options w = {.size = sizeof w, .log_level = WEIR_LOG_NONE, .no_process = true};
	struct weir_otlp_options o = {.size = sizeof o, .endpoint = url, .interval_ns = WEIR_S(3600), .timeout_ns = WEIR_S(5)};
	int error = weir_init(&w);

	if (way == DELTA)
		o.temporality = WEIR_OTLP_DELTA;
	else
		o.compression = WEIR_OTLP_GZIP;
	o.spool_dir = way == GZIP_AND_SPOOL ? folder : NULL;
	if (error != WEIR_OK) {
		EQUAL_INT(error, WEIR_ENOMEM);
		EQUAL_INT(weir_init(&w), WEIR_OK);
	}
	error = weir_otlp_start(&o);
	if (error != WEIR_OK) { /* it says so, and may be asked again */
		if (error != WEIR_ENOMEM && error != WEIR_EIO)
			FAIL("start says %s", weir_error_name(error));
		refused++;
		EQUAL_INT(weir_otlp_start(&o), WEIR_OK);
	}
}

static void remove_folder(const char *folder)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", folder);
	CHECK(system(command) == 0);
}

static void one_life(uint64_t at, enum way way, int told)
{
	char url[64], folder[] = "/tmp/weir-oom-otlp-XXXXXX";
	uint64_t lost, report[2];

	unsetenv("http_proxy");
	start_receiver(url, way == GZIP_AND_SPOOL);
	CHECK(way != GZIP_AND_SPOOL || mkdtemp(folder) != NULL);
	if (way == GZIP_AND_SPOOL) { /* what libcurl and its TLS do once for the process is looked at by the other way */
		begin(way, url, folder);
		not_late(weir_shutdown(WEIR_S(10)), "shutdown");
	}
	fail_from = fail_to = at;
	__atomic_store_n(&failing, true, __ATOMIC_RELEASE);
	begin(way, url, folder);
	work(20);
	not_late(weir_flush(WEIR_S(10)), "a flush");
	work(30);
	not_late(weir_flush(WEIR_S(10)), "a flush");
	if (way == DELTA) { /* with memory again all comes that was not dropped */
		__atomic_store_n(&failing, false, __ATOMIC_RELEASE);
		work(10);
		weir_flush(WEIR_S(10)); /* may tell what was lost before */
		EQUAL_INT(weir_flush(WEIR_S(10)), WEIR_OK);
		lost = dropped_by_otlp("traces") + status_now().dropped_spans;
		/* where an answer could not be read to its end, what came is said to be dropped, too */
		if (received->spans > recorded || received->spans + lost < recorded || lost > added)
			FAIL("of %llu spans %llu came, and %llu are said to be dropped", (unsigned long long)recorded,
			     (unsigned long long)received->spans, (unsigned long long)lost);
		EQUAL(received->adds, weir_counter_read(&adds));
		CHECK(weir_counter_read(&adds) == added || status_now().dropped_records != 0);
		__atomic_store_n(&failing, true, __ATOMIC_RELEASE); /* what is left of the count is for the end */
	}
	not_late(weir_otlp_stop(WEIR_S(10)), "stop");
	not_late(weir_shutdown(WEIR_S(10)), "shutdown");
	__atomic_store_n(&failing, false, __ATOMIC_RELEASE);
	CHECK(received->requests >= 2);
	WITHIN_MS(10000, proc_status("Threads:", 10) == 1);
	if (way == GZIP_AND_SPOOL)
		remove_folder(folder);
	report[0] = calls;
	report[1] = refused;
	CHECK(write(told, report, sizeof report) == sizeof report);
}

/* ---- all of them ---- */

static struct {
	pid_t child;
	uint64_t at;
	int told;
} lives[SIDE_BY_SIDE];
static uint64_t last_calls, all_refused;

static void end_life(int i)
{
	uint64_t report[2];
	int end;

	if (lives[i].child == 0)
		return;
	end = child_end(lives[i].child, 60000);
	if (end != 0)
		FAIL("with call %llu failing, a life ends with %d (-1: hung, 1000 and more: a signal)", (unsigned long long)lives[i].at, end);
	CHECK(read(lives[i].told, report, sizeof report) == sizeof report);
	close(lives[i].told);
	last_calls = report[0];
	all_refused += report[1];
	lives[i].child = 0;
}

static void end_lives(void)
{
	for (int i = 0; i < SIDE_BY_SIDE; i++)
		end_life(i);
}

static void start_life(uint64_t at, enum way way)
{
	static unsigned next;
	int i = (int)(next++ % SIDE_BY_SIDE), told[2];

	end_life(i);
	CHECK(pipe2(told, O_CLOEXEC) == 0);
	lives[i].at = at;
	lives[i].told = told[0];
	lives[i].child = fork();
	if (lives[i].child == 0) {
		one_life(at, way, told[1]);
		exit(0);
	}
	close(told[1]);
}

static void each_call_once(enum way way)
{
	uint64_t all;

	start_life(UINT64_MAX, way);
	end_lives();
	all = last_calls;
	EQUAL(all_refused, 0);
	CHECK(all > 100);
	for (uint64_t k = 1; k <= all; k++)
		start_life(k, way);
	end_lives();
	NOTE("%llu calls; %llu starts were refused", (unsigned long long)all, (unsigned long long)all_refused);
	CHECK(all_refused > 5);
}

static void with_deltas(void)
{
	each_call_once(DELTA);
}

static void with_gzip_and_a_spool(void)
{
	each_call_once(GZIP_AND_SPOOL);
}

static void alone(void)
{
	int told[2];

	CHECK(pipe(told) == 0);
	one_life(getenv("OOM_AT") != NULL ? strtoull(getenv("OOM_AT"), NULL, 10) : UINT64_MAX,
	         getenv("OOM_WAY") != NULL ? GZIP_AND_SPOOL : DELTA, told[1]);
	NOTE("%llu calls", (unsigned long long)calls);
	for (int k = 0; k < KINDS; k++)
		NOTE("%llu of kind %d", (unsigned long long)calls_of[k], k);
}

CASES({"every_allocation_of_otlp_fails_once", with_deltas, 110},
      {"every_allocation_of_otlp_with_a_spool_fails_once", with_gzip_and_a_spool, 110}, {"alone", alone, 0})

#endif
