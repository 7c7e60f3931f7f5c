/* weir-prometheus: the endpoint's thread. See endpoint.h. Layer: exporter, I/O.
 *
 * It is told to end by a signal to it alone, which is blocked here as in all of weir's threads, and seen through a
 * descriptor: the host has no handler run, and lends no descriptor of its own. The signal is looked at and never read,
 * since what is read there may be the process', and is the host's. The gate is held while in libmicrohttpd, never while
 * waiting. */
#define _GNU_SOURCE
#include "endpoint.h"

#include "connection.h"
#include "request.h"

#include <weir/abi/private.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	WAKE_SIGNAL = SIGURG,
	REQUEST_BYTES = 16 * 1024, /* a request's headers, and an answer's: more is 431 */
	ACCEPT_MOST = 64, /* at once, then those that are there are looked at */
};
#define WAKE_PAUSE_NS WEIR_MS(50) /* where that signal waits for the host, and is not ours */
#define ACCEPT_PAUSE_NS WEIR_MS(100) /* where the system has no descriptor, or no memory, for one more */

struct server {
	struct weir__endpoint *endpoint;
	struct MHD_Daemon *daemon;
	struct weir__connections connections;
	struct weir__connection *adding; /* the slot of the connection that is handed to libmicrohttpd now */
	struct weir__answers answers;
	int wake;
	int listeners[WEIR__LISTEN_MOST];
	unsigned listeners_count;
	uint64_t accept_after, wake_after; /* not looked at until then */
	bool draining;
};

/* ---- what libmicrohttpd calls, on this thread, the gate held ----------------------------------------------------- */

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
	struct server *server = cls;

	(void)connection;
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		*context = server->adding;
	else if (*context != NULL)
		weir__connection_closed(&server->connections, *context);
}

static struct weir__connection *slot_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_size, void **context)
{
	static char seen;
	struct server *server = cls;
	struct weir__connection *slot = slot_of(connection);

	(void)version;
	(void)upload;
	(void)upload_size;
	/* Called at the headers' end, and again at the request's. An answer to the first call ends the connection:
	 * right for who sends a body, which nobody here reads. */
	if (*context == NULL && !weir__request_has_body(connection)) {
		*context = &seen;
		return MHD_YES;
	}
	if (slot != NULL)
		weir__connection_asked(slot, weir_private_clock_ns());
	return weir__request_answer(&server->answers, connection, url, method);
}

static void on_answered(void *cls, struct MHD_Connection *connection, void **context,
                        enum MHD_RequestTerminationCode code)
{
	struct weir__connection *slot = slot_of(connection);

	(void)cls;
	(void)context;
	(void)code;
	if (slot != NULL)
		weir__connection_answered(slot, weir_private_clock_ns());
}

/* ---- beginning and end ------------------------------------------------------------------------------------------- */

static int failed(struct weir__endpoint *e, int error, const char *why)
{
	snprintf(e->why, sizeof e->why, "%s", why);
	return error;
}

static int open_all(struct server *server)
{
	struct weir__endpoint *e = server->endpoint;
	uint32_t room = e->max_connections;
	sigset_t wake;
	int error;

	sigemptyset(&wake);
	sigaddset(&wake, WAKE_SIGNAL);
	server->wake = signalfd(-1, &wake, SFD_CLOEXEC | SFD_NONBLOCK);
	if (server->wake < 0)
		return failed(e, WEIR_EIO, "the system gives no descriptor to be woken by");
	error = weir__listen_open(server->listeners, &server->listeners_count, &e->addresses, e->port, &e->got, e->why);
	if (error != WEIR_OK)
		return error;
	if (!weir__connections_make(&server->connections, room, e->client_ns))
		return failed(e, WEIR_ENOMEM, "no memory");
	weir_private_gate_enter();
	/* its own limit is above ours, since it lets go of a closed connection a little later */
	server->daemon = MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, on_request, server, MHD_OPTION_CONNECTION_LIMIT,
	    (unsigned)(room < 1u << 24 ? 2 * room + 16 : room), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    (size_t)REQUEST_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
	    server, MHD_OPTION_NOTIFY_COMPLETED, on_answered, server, MHD_OPTION_END);
	weir_private_gate_leave();
	return server->daemon != NULL ? WEIR_OK : failed(e, WEIR_ENOMEM, "libmicrohttpd did not start");
}

static void close_listeners(struct server *server)
{
	for (unsigned i = 0; i < server->listeners_count; i++)
		close(server->listeners[i]);
	server->listeners_count = 0;
}

static void close_all(struct server *server)
{
	close_listeners(server);
	weir_private_gate_enter();
	if (server->daemon != NULL)
		MHD_stop_daemon(server->daemon); /* closes its connections, and tells */
	weir__answers_drop(&server->answers);
	weir_private_gate_leave();
	weir__connections_free(&server->connections);
	if (server->wake >= 0)
		close(server->wake);
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

static void run_daemon(struct server *server)
{
	weir__connections_look(&server->connections, weir_private_clock_ns());
	weir_private_gate_enter();
	MHD_run(server->daemon);
	weir_private_gate_leave();
	weir__connections_look(&server->connections, weir_private_clock_ns());
}

static void hand_over(struct server *server, int fd, const struct sockaddr *from, socklen_t len)
{
	struct weir__connections *table = &server->connections;

	if (table->used == table->room && weir__connections_make_room(table))
		run_daemon(server);
	server->adding = weir__connection_add(table, fd, weir_private_clock_ns());
	if (server->adding == NULL) { /* all of them are being answered */
		weir__connection_refused();
		close(fd);
		return;
	}
	weir_private_gate_enter();
	if (MHD_add_connection(server->daemon, fd, from, len) != MHD_YES) { /* which closes it */
		weir__connection_closed(table, server->adding);
		weir__connection_refused();
	}
	weir_private_gate_leave();
}

static void accept_some(struct server *server, int listener)
{
	for (unsigned n = 0; n < ACCEPT_MOST; n++) {
		struct sockaddr_storage from;
		socklen_t len = sizeof from;
		int fd = accept4(listener, (struct sockaddr *)&from, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			hand_over(server, fd, (const struct sockaddr *)&from, len);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			if (n == 0) /* somebody waits; later there need not be anybody, and the one just accepted would be pushed out */
				weir__connections_make_room(&server->connections);
			server->accept_after = weir_private_clock_ns() + ACCEPT_PAUSE_NS;
		}
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

static bool is_over(struct server *server, uint64_t now)
{
	struct weir__endpoint *e = server->endpoint;

	if (__atomic_load_n(&e->stop, __ATOMIC_ACQUIRE) == 0)
		return false;
	if (!server->draining) {
		server->draining = true;
		close_listeners(server);
		run_daemon(server); /* requests that are there already */
	}
	return now >= e->drain_until || !weir__connections_answering(&server->connections);
}

/* Milliseconds until a moment, rounded up, so that it has come then; -1: none. */
static int wait_until(uint64_t at, uint64_t now)
{
	if (at == UINT64_MAX)
		return -1;
	if (at <= now)
		return 0;
	return (at - now) / 1000000 < 3600000 ? (int)((at - now) / 1000000) + 1 : 3600000;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* When something is due that no descriptor tells of. *pending: libmicrohttpd has work that does not wait. */
static uint64_t next_event(struct server *server, uint64_t now, bool *pending)
{
	uint64_t next = weir__connections_sweep(&server->connections, now);
	MHD_UNSIGNED_LONG_LONG ms;

	weir_private_gate_enter();
	next = earlier(next, weir__answers_expire(&server->answers, now));
	*pending = MHD_get_timeout(server->daemon, &ms) == MHD_YES;
	weir_private_gate_leave();
	if (*pending)
		next = earlier(next, ms < 3600000 ? now + WEIR_MS((uint64_t)ms) : now + WEIR_S(3600));
	if (server->draining)
		next = earlier(next, server->endpoint->drain_until);
	if (now < server->accept_after)
		next = earlier(next, server->accept_after);
	if (now < server->wake_after)
		next = earlier(next, server->wake_after);
	return next;
}

static void turn(struct server *server, int epoll)
{
	struct pollfd fds[2 + WEIR__LISTEN_MOST] = {{.fd = epoll, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
	uint64_t now = weir_private_clock_ns(), next;
	unsigned listeners = 0;
	bool pending;

	next = next_event(server, now, &pending);
	if (!server->draining && now >= server->wake_after)
		fds[1].fd = server->wake;
	if (now >= server->accept_after)
		listeners = server->listeners_count;
	for (unsigned i = 0; i < listeners; i++)
		fds[2 + i] = (struct pollfd){.fd = server->listeners[i], .events = POLLIN};
	if (poll(fds, 2 + listeners, wait_until(next, now)) < 0)
		return;
	if (fds[0].revents != 0 || pending)
		run_daemon(server);
	if (fds[1].revents != 0) { /* stop is looked at next; where it is not set, the signal is the host's */
		server->wake_after = weir_private_clock_ns() + WAKE_PAUSE_NS;
		return;
	}
	for (unsigned i = 0; i < listeners; i++)
		if (fds[2 + i].revents != 0)
			accept_some(server, server->listeners[i]);
}

void weir__endpoint_run(void *endpoint)
{
	struct weir__endpoint *e = endpoint;
	struct server server = {.endpoint = e, .wake = -1, .answers = {.max_age_ns = e->max_age_ns}};
	const union MHD_DaemonInfo *info;
	int epoll, error = open_all(&server);

	e->thread = (pid_t)syscall(SYS_gettid);
	e->error = error;
	sem_post(&e->ready);
	if (error == WEIR_OK) {
		info = MHD_get_daemon_info(server.daemon, MHD_DAEMON_INFO_EPOLL_FD);
		epoll = info->epoll_fd;
		while (!is_over(&server, weir_private_clock_ns()))
			turn(&server, epoll);
	}
	close_all(&server);
	weir__endpoint_let_go(e);
}

void weir__endpoint_stop(struct weir__endpoint *e, uint64_t drain_until)
{
	e->drain_until = drain_until;
	__atomic_store_n(&e->stop, 1, __ATOMIC_RELEASE);
	syscall(SYS_tgkill, getpid(), e->thread, WAKE_SIGNAL);
}

void weir__endpoint_let_go(struct weir__endpoint *e)
{
	if (__atomic_sub_fetch(&e->holders, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	sem_destroy(&e->ready);
	free(e);
}
