/* A user of weir-otlp: a span and a counter arrive, by HTTP, at a receiver of this program's own. */
#include <weir/otlp.h>
#include <weir/weir.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

WEIR_COUNTER(shipped, "shipped_total", "Shipped.");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool traces, metrics; /* under the lock */

static bool holds(const char *bytes, size_t len, const char *text)
{
	size_t text_len = strlen(text);

	for (size_t i = 0; i + text_len <= len; i++)
		if (memcmp(bytes + i, text, text_len) == 0)
			return true;
	return false;
}

/* One connection: requests with a Content-Length, each answered. */
static void *serve(void *arg)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
	int fd = (int)(intptr_t)arg;
	char *bytes = calloc(1, 1 << 20);
	size_t len = 0;
	ssize_t got;

	while (bytes != NULL && (got = read(fd, bytes + len, (1 << 20) - 1 - len)) > 0) {
		char *head, *field;
		size_t size;

		len += (size_t)got;
		bytes[len] = '\0';
		head = strstr(bytes, "\r\n\r\n");
		field = head != NULL ? strstr(bytes, "Content-Length: ") : NULL;
		if (field == NULL)
			continue;
		size = (size_t)(head + 4 - bytes) + strtoul(field + 16, NULL, 10);
		if (len < size)
			continue;
		pthread_mutex_lock(&lock);
		if (strncmp(bytes, "POST /v1/traces ", 16) == 0)
			traces = traces || holds(bytes, size, "GET /parcel");
		if (strncmp(bytes, "POST /v1/metrics ", 17) == 0)
			metrics = metrics || holds(bytes, size, "shipped");
		pthread_mutex_unlock(&lock);
		memmove(bytes, bytes + size, len - size);
		len -= size;
		if (write(fd, answer, sizeof answer - 1) < 0)
			break;
	}
	close(fd);
	free(bytes);
	return NULL;
}

static void *receive(void *arg)
{
	for (;;) {
		int fd = accept((int)(intptr_t)arg, NULL, NULL);
		pthread_t thread;

		if (fd >= 0 && pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) == 0)
			pthread_detach(thread);
	}
	return NULL;
}

static int fails(const char *what)
{
	fprintf(stderr, "ship: %s\n", what);
	return 1;
}

int main(void)
{
	struct weir_otlp_options options = {.size = sizeof options};
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t size = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct weir_ctx ctx;
	struct weir_span span;
	pthread_t thread;
	char endpoint[64];
	bool both;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 8) != 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &size) != 0 ||
	    pthread_create(&thread, NULL, receive, (void *)(intptr_t)fd) != 0)
		return fails("no receiver");
	snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d", ntohs(at.sin_port));
	options.endpoint = endpoint;
	if (weir_init(NULL) != WEIR_OK || weir_otlp_start(&options) != WEIR_OK)
		return fails("start");
	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "GET /parcel");
	weir_counter_add(&shipped, 1);
	weir_span_end(&span);
	weir_ctx_end(&ctx);
	if (weir_shutdown(WEIR_S(10)) != WEIR_OK)
		return fails("not all was delivered");
	pthread_mutex_lock(&lock);
	both = traces && metrics;
	pthread_mutex_unlock(&lock);
	return both ? 0 : fails("what arrived is not what was recorded");
}
