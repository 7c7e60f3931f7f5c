/* L5: texts to standard error. See console_out.h.
 *
 * The descriptor's own flags are the host's, and shared with whoever else has it, so that it is never made non-blocking: a pipe or
 * a terminal is opened once more for that, a socket is told in the call. Where neither can be, poll says that there is room for
 * a page, and no more than that is written at once. */
#define _GNU_SOURCE
#include "console_out.h"

#include "port.h"
#include "tally.h"

#include <weir/base.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { AT_ONCE = 4096 };

struct weir__console_block {
	struct weir__console_block *next;
	char *text;
	size_t len, done;
	uint32_t spans;
};

void weir__console_out_put(struct weir__console_out *out, char *text, size_t len, uint32_t spans)
{
	struct weir__console_block *b = out->bytes + len <= WEIR__CONSOLE_OUT_BYTES || out->first == NULL ? malloc(sizeof *b) : NULL;

	if (b == NULL) {
		weir__tally(WEIR__SPANS_LATE, spans);
		free(text);
		return;
	}
	*b = (struct weir__console_block){NULL, text, len, 0, spans};
	if (out->first == NULL)
		out->last = &out->first;
	*out->last = b;
	out->last = &b->next;
	out->bytes += len;
}

static void take_first(struct weir__console_out *out)
{
	struct weir__console_block *b = out->first;

	out->first = b->next;
	out->bytes -= b->len;
	free(b->text);
	free(b);
}

void weir__console_out_drop(struct weir__console_out *out)
{
	for (; out->first != NULL; take_first(out))
		weir__tally(WEIR__SPANS_LATE, out->first->spans);
}

enum way { PLAIN, OWN, SOCKET, CAREFUL };

static int open_way(enum way *way)
{
	struct stat s;
	int fd;

	*way = CAREFUL;
	if (fstat(STDERR_FILENO, &s) != 0)
		return -1;
	if (S_ISREG(s.st_mode))
		*way = PLAIN;
	else if (S_ISSOCK(s.st_mode))
		*way = SOCKET;
	else if ((fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) >= 0) {
		*way = OWN;
		return fd;
	}
	return STDERR_FILENO;
}

/* A pipe that nobody reads would end a host that does not expect it: the signal is taken back. weir's threads block it anyhow,
 * but where weir is pumped this is a thread of the host's. */
static ssize_t write_some(int fd, enum way way, const char *text, size_t len)
{
	const struct timespec none = {0, 0};
	const uint64_t pipe_signal = UINT64_C(1) << (SIGPIPE - 1);
	uint64_t mask, pending = 0; /* the kernel's words, as in port.c */
	ssize_t done;
	int error;

	if (way == SOCKET)
		return send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	mask = weir__signals_block();
	syscall(SYS_rt_sigpending, &pending, sizeof pending);
	done = write(fd, text, way == CAREFUL && len > AT_ONCE ? AT_ONCE : len);
	error = errno;
	if (done < 0 && error == EPIPE && (pending & pipe_signal) == 0)
		while (syscall(SYS_rt_sigtimedwait, &pipe_signal, NULL, &none, sizeof pipe_signal) < 0 && errno == EINTR)
			;
	weir__signals_restore(mask);
	errno = error;
	return done;
}

/* Room for a page; false: not by the deadline. */
static bool wait_for_room(int fd, uint64_t deadline_ns)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	for (;;) {
		uint64_t now = weir__clock_ns(), left = deadline_ns > now ? deadline_ns - now : 0;
		int got = poll(&p, 1, left < WEIR_S(1) ? (int)((left + 999999) / 1000000) : 1000);

		if (got > 0)
			return true;
		if (left == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
			return false;
	}
}

int weir__console_out_run(struct weir__console_out *out, uint64_t deadline_ns)
{
	enum way way;
	int fd, result = WEIR_OK;

	if (out->first == NULL)
		return WEIR_OK;
	fd = open_way(&way);
	while (out->first != NULL && result == WEIR_OK) {
		struct weir__console_block *b = out->first;
		ssize_t done = -1;

		errno = EBADF;
		if (fd >= 0 && way == CAREFUL && !wait_for_room(fd, deadline_ns))
			errno = EAGAIN;
		else if (fd >= 0)
			done = write_some(fd, way, b->text + b->done, b->len - b->done);
		if (done > 0) {
			b->done += (size_t)done;
			if (b->done == b->len)
				take_first(out);
		} else if (done < 0 && errno != EINTR && errno != EAGAIN) {
			weir__console_out_drop(out);
			result = WEIR_EIO;
		} else if (errno != EINTR && (way == CAREFUL || !wait_for_room(fd, deadline_ns))) {
			result = WEIR_ETIMEOUT;
		}
	}
	if (way == OWN)
		close(fd);
	return result;
}
