/* A host that uses libcurl itself, beside weir-otlp: for otlp_beside.py. Four of its threads make transfers of their own, with
 * a span of 8 KiB around each, while weir exports them; it initialises libcurl before weir or after, cleans it up while weir
 * goes on, and goes on when weir has ended. Says at its end: name=value ...
 *
 *   otlp_host host|weir HOST_URL CA|- ROUNDS MS: who is first; the last: how long flush and shutdown may take;
 *   OTEL_EXPORTER_OTLP_* tell weir where to */
#define _GNU_SOURCE
#include <weir/otlp.h>
#include <weir/weir.h>

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

enum { THREADS = 4, TEXT = 8000 };
static struct {
	const char *url, *ca; /* NULL: plain */
	int rounds;
	uint64_t patience_ns;
	uint64_t transfers, failed, spans; /* added to by the threads, relaxed */
	int flushes_failed;
	char text[TEXT];
} host;
static volatile sig_atomic_t pipes;

static void on_pipe(int signal)
{
	(void)signal;
	pipes++;
}

static size_t swallow(char *bytes, size_t size, size_t count, void *arg)
{
	(void)bytes;
	(void)arg;
	return size * count;
}

static bool transfer(CURL *easy)
{
	long status = 0;

	curl_easy_setopt(easy, CURLOPT_URL, host.url);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "x");
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, 20L);
	if (host.ca != NULL)
		curl_easy_setopt(easy, CURLOPT_CAINFO, host.ca);
	return curl_easy_perform(easy) == CURLE_OK && curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
	       status == 200;
}

/* By one handle and by fresh ones in turn: connections are kept, and made anew. */
static void *serve(void *arg)
{
	static const int64_t some[] = {1, 2, 3};
	CURL *kept = curl_easy_init();
	char buffer[TEXT + 1000];

	(void)arg;
	for (int n = 0; n < host.rounds; n++) {
		struct weir_span_options o = {.size = sizeof o, .buffer = buffer, .buffer_size = sizeof buffer};
		CURL *easy = n % 2 != 0 ? kept : curl_easy_init();
		struct weir_span span;
		struct weir_ctx ctx;

		weir_ctx_begin(&ctx, NULL, 0);
		weir_span_begin_opts(&span, &ctx, WEIR_CLIENT, "own transfer", &o);
		weir_span_set_with(&span, weir_attr_str("text", host.text), weir_attr_ints("some", (struct weir_list){some, 3}));
		__atomic_fetch_add(&host.failed, transfer(easy) ? 0u : 1u, __ATOMIC_RELAXED);
		__atomic_fetch_add(&host.transfers, 1u, __ATOMIC_RELAXED);
		__atomic_fetch_add(&host.spans, 1u, __ATOMIC_RELAXED);
		weir_span_end(&span);
		weir_ctx_end(&ctx);
		if (easy != kept)
			curl_easy_cleanup(easy);
	}
	curl_easy_cleanup(kept);
	return NULL;
}

static void work(bool flush)
{
	pthread_t thread[THREADS];

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, serve, NULL) != 0)
			exit(2);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	if (flush && weir_flush(host.patience_ns) != WEIR_OK)
		host.flushes_failed++;
}

static void start(void)
{
	struct weir_options w = {.size = sizeof w, .tick_ns = WEIR_MS(10), .spans_queue = 100000, .spans_bytes = WEIR_MIB(64),
	                         .no_process = true};
	struct weir_otlp_options o = {.size = sizeof o, .interval_ns = WEIR_MS(50)};

	if (weir_init(&w) != WEIR_OK || weir_otlp_start(&o) != WEIR_OK)
		exit(3);
}

int main(int argc, char **argv)
{
	struct weir_status s = {.size = sizeof s};
	struct sigaction now;
	bool host_first;
	int shutdown;

	if (argc != 6)
		return 64;
	host_first = strcmp(argv[1], "host") == 0;
	host.url = argv[2];
	host.ca = strcmp(argv[3], "-") != 0 ? argv[3] : NULL;
	host.rounds = atoi(argv[4]);
	host.patience_ns = WEIR_MS(strtoull(argv[5], NULL, 10));
	memset(host.text, 'x', sizeof host.text - 1);
	if (getenv("HOST_SIGPIPE") == NULL) /* else it is as it was, and ends the process */
		signal(SIGPIPE, on_pipe);
	if (host_first)
		curl_global_init(CURL_GLOBAL_DEFAULT);
	start();
	if (!host_first)
		curl_global_init(CURL_GLOBAL_DEFAULT);
	work(true);
	curl_global_cleanup(); /* of its own; weir's use goes on */
	weir_flush(host.patience_ns);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	work(true);
	shutdown = weir_shutdown(host.patience_ns);
	weir_status_read(&s);
	work(false); /* the host's use goes on */
	start();
	work(true);
	if (weir_shutdown(host.patience_ns) != WEIR_OK)
		host.flushes_failed++;
	curl_global_cleanup();
	weir_status_read(&s);
	sigaction(SIGPIPE, NULL, &now);
	printf("transfers=%llu failed=%llu spans=%llu dropped=%llu flushes_failed=%d shutdown=%d sigpipes=%d handler_kept=%d\n",
	       (unsigned long long)host.transfers, (unsigned long long)host.failed, (unsigned long long)host.spans,
	       (unsigned long long)s.dropped_spans, host.flushes_failed, shutdown, (int)pipes, now.sa_handler == (getenv("HOST_SIGPIPE") == NULL ? on_pipe : SIG_DFL));
	return 0;
}
