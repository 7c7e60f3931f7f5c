/* A service whose threads are at requests that the test knows, and whose system calls say which: driven by context.py.
 *   context_service THREADS
 * Prints "thread TID TRACE SPAN" for each, waits for a line, lets each do its work, prints "done", and waits for another line.
 * A thread's work: attach; write of 7 bytes; a connection to and from itself; detach; write of 9 bytes. */
#define _GNU_SOURCE
#include <weir/weir.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_barrier_t ready, go, done;

static void need(int what, const char *text)
{
	if (!what) {
		perror(text);
		exit(1);
	}
}

static void connect_to_self(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;

	need(listener >= 0 && client >= 0 && bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener, 1) == 0 &&
	     getsockname(listener, (struct sockaddr *)&at, &size) == 0 && connect(client, (struct sockaddr *)&at, sizeof at) == 0, "connect");
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	need(peer >= 0, "accept");
	close(client);
	close(peer);
	close(listener);
}

static void *serve(void *arg)
{
	int sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct weir_ctx ctx;
	struct weir_ids ids;
	struct weir_scope scope;
	char trace[33], span[17], route[32], parent[56];
	struct weir_header header = {weir_str_of("traceparent"), {parent, 55}};
	unsigned number = (unsigned)*(int *)arg;

	snprintf(route, sizeof route, "/work/%u", number);
	snprintf(parent, sizeof parent, "00-c0%02xd0e0f0809aab00a1a2a3a4%04x-b1b2b3b4b5b60a%02x-00", 0x80 + number, number, 0x80 + number);
	weir_ctx_begin(&ctx, &header, 1);
	weir_ctx_set_route(&ctx, weir_str_of(route));
	ids = weir_ctx_ids(&ctx);
	weir_ids_hex(&ids, trace, span);
	flockfile(stdout);
	printf("thread %ld %s %s\n", (long)syscall(SYS_gettid), trace, span);
	funlockfile(stdout);
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&go);
	scope = weir_ctx_attach(&ctx);
	need(write(sink, "7 bytes", 7) == 7, "write");
	connect_to_self();
	weir_ctx_detach(scope);
	need(write(sink, "9 bytes..", 9) == 9, "write");
	weir_ctx_end(&ctx);
	close(sink);
	pthread_barrier_wait(&done);
	return NULL;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 4, numbers[64];
	pthread_t threads[64];
	char line[16];

	need(count > 0 && count <= 64 && weir_init(NULL) == WEIR_OK, "start");
	pthread_barrier_init(&ready, NULL, (unsigned)count + 1);
	pthread_barrier_init(&go, NULL, (unsigned)count + 1);
	pthread_barrier_init(&done, NULL, (unsigned)count + 1);
	for (int n = 0; n < count; n++) {
		numbers[n] = n;
		need(pthread_create(&threads[n], NULL, serve, &numbers[n]) == 0, "thread");
	}
	pthread_barrier_wait(&ready);
	puts("ready");
	fflush(stdout);
	need(fgets(line, sizeof line, stdin) != NULL, "go");
	pthread_barrier_wait(&go);
	pthread_barrier_wait(&done);
	puts("done");
	fflush(stdout);
	(void)!fgets(line, sizeof line, stdin);
	for (int n = 0; n < count; n++)
		pthread_join(threads[n], NULL);
	return weir_shutdown(WEIR_S(5)) == WEIR_OK ? 0 : 1;
}
