/* weir-prometheus: connections. See connection.h. Layer: exporter, I/O. */
#define _GNU_SOURCE
#include "connection.h"

#include <weir/metric.h>

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* Over a minute, since that is how often a server scrapes that was told nothing. */
#define IDLE_NS WEIR_S(75)
enum { SEND_BYTES = 256 * 1024, LOOK_MOST = 64 };

WEIR_COUNTER(closed, "weir_prometheus_connections_closed_total", "Connections that the endpoint closed, and why.",
             "reason");

bool weir__connections_make(struct weir__connections *table, uint32_t room, uint64_t client_ns)
{
	table->slots = calloc(room, sizeof *table->slots);
	table->room = room;
	table->used = 0;
	table->client_ns = client_ns;
	return table->slots != NULL;
}

void weir__connections_free(struct weir__connections *table)
{
	free(table->slots);
	table->slots = NULL;
	table->room = 0;
}

/* What the other side does not take is bounded in bytes, and, when libmicrohttpd has closed already, by the system
 * in time. */
static void set_limits(int fd, uint64_t client_ns)
{
	uint64_t ms = client_ns / 1000000;
	unsigned timeout = ms < 1 ? 1 : ms > 1000000000 ? 1000000000 : (unsigned)ms;
	int bytes = SEND_BYTES;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
}

struct weir__connection *weir__connection_add(struct weir__connections *table, int fd, uint64_t now)
{
	for (uint32_t i = 0; i < table->room && table->used < table->room; i++) {
		struct weir__connection *c = &table->slots[i];

		if (c->stage != WEIR__SLOT_FREE)
			continue;
		set_limits(fd, table->client_ns);
		*c = (struct weir__connection){
		    .fd = fd, .stage = WEIR__READING, .since = now, .deadline = now + table->client_ns};
		table->used++;
		return c;
	}
	return NULL;
}

void weir__connection_closed(struct weir__connections *table, struct weir__connection *c)
{
	if (c->stage == WEIR__SLOT_FREE)
		return;
	c->stage = WEIR__SLOT_FREE;
	table->used--;
}

void weir__connection_asked(struct weir__connection *c, uint64_t now)
{
	if (c->stage == WEIR__KICKED)
		return;
	c->stage = WEIR__ANSWERING;
	c->since = now;
}

void weir__connection_answered(struct weir__connection *c, uint64_t now)
{
	if (c->stage == WEIR__KICKED)
		return;
	c->stage = WEIR__IDLE;
	c->since = now;
	c->idle_until = now + IDLE_NS;
}

/* libmicrohttpd finds the socket at its end, and closes it. What has not been sent by now is given up with it. */
static void kick(struct weir__connection *c, const char *reason)
{
	struct linger none = {.l_onoff = 1, .l_linger = 0};

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
	shutdown(c->fd, SHUT_RDWR);
	c->stage = WEIR__KICKED;
	weir_counter_add_with(&closed, 1, reason);
}

void weir__connection_refused(void)
{
	weir_counter_add_with(&closed, 1, "refused");
}

bool weir__connections_make_room(struct weir__connections *table)
{
	struct weir__connection *longest = NULL;

	for (uint32_t i = 0; i < table->room; i++) {
		struct weir__connection *c = &table->slots[i];

		if ((c->stage == WEIR__READING || c->stage == WEIR__IDLE) &&
		    (longest == NULL || c->since < longest->since))
			longest = c;
	}
	if (longest != NULL)
		kick(longest, "pushed_out");
	return longest != NULL;
}

/* There is something to read where nothing is awaited: another request, or the end. libmicrohttpd does not see an
 * end that came together with the request: it is told by a socket that is shut down; what is still to be sent goes
 * on. */
static void look(struct weir__connection *c, uint64_t now, uint64_t client_ns)
{
	char byte;

	if (recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) {
		shutdown(c->fd, SHUT_RDWR);
		c->stage = WEIR__KICKED;
		return;
	}
	c->stage = WEIR__READING;
	c->since = now;
	c->deadline = now + client_ns;
}

void weir__connections_look(struct weir__connections *table, uint64_t now)
{
	struct weir__connection *looked[LOOK_MOST];
	struct pollfd fds[LOOK_MOST];
	nfds_t count = 0;

	for (uint32_t i = 0; i < table->room; i++) {
		if (table->slots[i].stage == WEIR__IDLE) {
			looked[count] = &table->slots[i];
			fds[count++] = (struct pollfd){.fd = table->slots[i].fd, .events = POLLIN};
		}
		if (count != LOOK_MOST && (i + 1 < table->room || count == 0))
			continue;
		if (poll(fds, count, 0) > 0)
			for (nfds_t k = 0; k < count; k++)
				if (fds[k].revents != 0)
					look(looked[k], now, table->client_ns);
		count = 0;
	}
}

/* Whether the other side has yet to take something: an answer is not over when it is written. */
static bool is_sending(const struct weir__connection *c)
{
	int left = 0;

	return ioctl(c->fd, SIOCOUTQ, &left) == 0 && left > 0;
}

static void sweep_idle(struct weir__connection *c, uint64_t now)
{
	if (c->deadline != 0 && now >= c->deadline) {
		if (is_sending(c)) {
			kick(c, "deadline");
			return;
		}
		c->deadline = 0;
	}
	if (now >= c->idle_until)
		kick(c, "idle");
}

uint64_t weir__connections_sweep(struct weir__connections *table, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (uint32_t i = 0; i < table->room; i++) {
		struct weir__connection *c = &table->slots[i];
		uint64_t at;

		if (c->stage == WEIR__IDLE)
			sweep_idle(c, now);
		else if ((c->stage == WEIR__READING || c->stage == WEIR__ANSWERING) && now >= c->deadline)
			kick(c, "deadline");
		if (c->stage == WEIR__SLOT_FREE || c->stage == WEIR__KICKED)
			continue;
		at = c->stage == WEIR__IDLE && (c->deadline == 0 || c->deadline > c->idle_until) ? c->idle_until
		                                                                                 : c->deadline;
		if (at < next)
			next = at;
	}
	return next;
}

bool weir__connections_answering(const struct weir__connections *table)
{
	for (uint32_t i = 0; i < table->room; i++)
		if (table->slots[i].stage == WEIR__ANSWERING)
			return true;
	return false;
}
