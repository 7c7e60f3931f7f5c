/* A host that uses OpenSSL itself, before, during and after weir-otlp's life, for otlp_beside.py: contexts of its own, handshakes
 * in memory on two threads, an error left in its thread's queue over every call of weir's; and ends in the order it is told.
 *
 *   otlp_openssl CERTIFICATE KEY CA END: END is shutdown (all is ended, then used again), or how exit() comes while weir-otlp is
 *   busy: plain, thread, own (the host's handler calls OPENSSL_cleanup), early (the host freed its own before), late (weir used OpenSSL first).
 *   OTEL_EXPORTER_OTLP_ENDPOINT tells weir where to. Ends with 0, or says what was wrong and ends with 1. */
#define _GNU_SOURCE
#include <weir/otlp.h>
#include <weir/weir.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static SSL_CTX *server, *client;
static uint32_t stopping, ending; /* ending: from here on the host uses OpenSSL no more, and weir does */

static void wrong(const char *what)
{
	fprintf(stderr, "%s\n", what);
	_exit(1);
}

static void open_contexts(const char *certificate, const char *key, const char *ca)
{
	server = SSL_CTX_new(TLS_server_method());
	client = SSL_CTX_new(TLS_client_method());
	if (server == NULL || client == NULL || SSL_CTX_use_certificate_file(server, certificate, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_use_PrivateKey_file(server, key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_load_verify_locations(client, ca, NULL) != 1)
		wrong("the host's contexts");
	SSL_CTX_set_verify(client, SSL_VERIFY_PEER, NULL);
}

/* A handshake and some bytes, by two BIOs. */
static void exchange(void)
{
	SSL *a = SSL_new(server), *b = SSL_new(client);
	BIO *of_a = NULL, *of_b = NULL;
	char bytes[16] = "";
	int done = 0;

	if (a == NULL || b == NULL || BIO_new_bio_pair(&of_a, 0, &of_b, 0) != 1)
		wrong("the host's connections");
	SSL_set_bio(a, of_a, of_a);
	SSL_set_bio(b, of_b, of_b);
	SSL_set_accept_state(a);
	SSL_set_connect_state(b);
	for (int turn = 0; turn < 50 && done != 2; turn++)
		done = (SSL_do_handshake(b) == 1) + (SSL_do_handshake(a) == 1);
	if (done != 2 || SSL_write(b, "own", 4) != 4 || SSL_read(a, bytes, sizeof bytes) != 4 || strcmp(bytes, "own") != 0)
		wrong("the host's handshake fails");
	SSL_free(a);
	SSL_free(b);
}

static void request(void)
{
	struct weir_ctx ctx;
	struct weir_span span;

	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "own handshake");
	if (__atomic_load_n(&ending, __ATOMIC_RELAXED) == 0)
		exchange();
	else
		usleep(100);
	weir_span_end(&span);
	weir_ctx_end(&ctx);
}

static void *serve(void *arg)
{
	while (__atomic_load_n(&stopping, __ATOMIC_RELAXED) == 0)
		request();
	return arg;
}

/* An error of the host's own, which it has not looked at yet. */
static unsigned long leave_error(void)
{
	ERR_clear_error();
	if (BIO_new_file("/nowhere/at/all", "r") != NULL)
		wrong("there is such a file");
	return ERR_peek_last_error();
}

static void start(void)
{
	struct weir_options w = {.size = sizeof w, .tick_ns = WEIR_MS(5), .no_process = true};
	struct weir_otlp_options o = {.size = sizeof o, .interval_ns = WEIR_MS(5)};

	if (weir_init(&w) != WEIR_OK || weir_otlp_start(&o) != WEIR_OK)
		wrong("weir does not start");
}

static void begin_threads(pthread_t threads[2])
{
	__atomic_store_n(&stopping, 0, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, serve, NULL) != 0)
			wrong("no thread");
}

static void end_threads(pthread_t threads[2])
{
	__atomic_store_n(&stopping, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

static void *exit_here(void *arg)
{
	(void)arg;
	exit(0);
}

static void cleanup(void)
{
	OPENSSL_cleanup();
}

int main(int argc, char **argv)
{
	pthread_t threads[2], exits;
	unsigned long error;
	bool late;

	if (argc != 5)
		return 64;
	alarm(60);
	if (strcmp(argv[4], "own") == 0) { /* the cleanup is the host's, in its place among the handlers */
		OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
		atexit(cleanup);
	}
	late = strcmp(argv[4], "late") == 0;
	if (late)
		start();
	open_contexts(argv[1], argv[2], argv[3]);
	exchange();
	error = leave_error();
	if (!late)
		start();
	begin_threads(threads);
	if (strcmp(argv[4], "shutdown") != 0) {
		usleep(10000);
		end_threads(threads);
		ending = 1;
		begin_threads(threads);
		usleep((useconds_t)(getpid() % 30) * 1000);
		if (strcmp(argv[4], "early") == 0) {
			SSL_CTX_free(server);
			SSL_CTX_free(client);
		}
		if (strcmp(argv[4], "thread") == 0 && pthread_create(&exits, NULL, exit_here, NULL) == 0)
			for (;;)
				pause();
		exit(0);
	}
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 20; i++) {
			weir_flush(WEIR_S(10));
			if (ERR_peek_last_error() != error)
				wrong("the host's error is gone, or another is there");
		}
		if (weir_shutdown(WEIR_S(10)) != WEIR_OK)
			wrong("shutdown");
		if (ERR_peek_last_error() != error)
			wrong("the host's error is gone after the end");
		usleep(20000); /* the host's threads go on by themselves */
		start();
	}
	end_threads(threads);
	if (weir_flush(WEIR_S(10)) != WEIR_OK || weir_shutdown(WEIR_S(10)) != WEIR_OK)
		wrong("the last flush");
	exchange();
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	open_contexts(argv[1], argv[2], argv[3]);
	exchange();
	return 0;
}
