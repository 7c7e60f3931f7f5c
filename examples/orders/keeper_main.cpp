// orders-store: the store as a process of its own, behind orders' command line: libmicrohttpd's server around keeper.hpp, in
// C++17, with telemetry by weir.hpp alone.
//
// Invariant: a conversation lives from a request's head until libmicrohttpd is done with it, and belongs to one thread at a time.
#include "args.h"
#include "delay.h"
#include "endpoint.h"
#include "keeper_telemetry.hpp"
#include "listener.h"
#include "signals.h"

#include <microhttpd.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <unistd.h>

namespace keeper {

namespace {

constexpr unsigned idle_s = 30, client_gone = 499;

struct server {
	MHD_Daemon *daemon = nullptr;
	struct delay *delay = nullptr;
	struct store *store = nullptr;
};

struct conversation {
	request r;
	trace t;
	std::uint64_t began_ns = 0;
	bool worked = false, ended = false;
};

// Each(take): take(name, value), by libmicrohttpd's callback.
auto headers_of(MHD_Connection *connection)
{
	return [connection](auto take) {
		MHD_get_connection_values_n(
		    connection, MHD_HEADER_KIND,
		    [](void *cls, MHD_ValueKind, const char *name, std::size_t name_len, const char *value, std::size_t value_len) {
			    auto &take_one = *static_cast<decltype(take) *>(cls);

			    if (value != nullptr)
				    take_one(std::string_view(name, name_len), std::string_view(value, value_len));
			    return MHD_YES;
		    },
		    &take);
	};
}

conversation *meet(MHD_Connection *connection, const char *url, const char *method)
{
	auto *c = new (std::nothrow) conversation;

	if (c == nullptr)
		return nullptr;
	c->r.method = method;
	c->r.where = find(url, c->r.id);
	if (access_is_open())
		c->began_ns = access_now_ns();
	const MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	c->t.begin(c->r, url, info != nullptr ? info->client_addr : nullptr, headers_of(connection));
	return c;
}

void log(conversation &c)
{
	access_entry entry{};

	entry.service = "store";
	entry.method = c.r.method == "GET" || c.r.method == "POST" ? c.r.method.data() : "other";
	entry.route = text(c.r.where);
	entry.order_id = c.r.id;
	entry.status = c.r.status;
	entry.took_ns = access_now_ns() - c.began_ns;
	c.t.ids(entry);
	access_line(&entry);
}

void end(conversation &c)
{
	c.ended = true;
	c.t.work_ends(); // a client went away in the middle
	if (access_is_open())
		log(c);
	c.t.end(c.r);
}

MHD_Result answer(MHD_Connection *connection, conversation &c)
{
	if (!c.ended) // at the daemon's end it may be asked for twice
		end(c);
	MHD_Response *response = MHD_create_response_from_buffer(c.r.answer_len, c.r.answer, MHD_RESPMEM_MUST_COPY);
	if (response == nullptr)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	const MHD_Result result = MHD_queue_response(connection, static_cast<unsigned>(c.r.status), response);
	MHD_destroy_response(response);
	return result;
}

// Called with a request's head, with each piece of its body, at its end, and again after its sleep.
MHD_Result on_request(void *cls, MHD_Connection *connection, const char *url, const char *method, const char *, const char *data,
                      std::size_t *size, void **own)
{
	auto &s = *static_cast<server *>(cls);
	auto *c = static_cast<conversation *>(*own);

	if (c == nullptr) {
		*own = c = meet(connection, url, method);
		return c != nullptr ? MHD_YES : MHD_NO;
	}
	if (*size > 0) {
		receive(c->r, data, *size);
		*size = 0;
		return MHD_YES;
	}
	if (!c->worked && needs_store(c->r)) {
		c->worked = true;
		c->t.work_begins(c->r);
		work(c->r, s.store);
		c->t.work_answered(c->r);
		if (c->r.delay_ns > 0) {
			MHD_suspend_connection(connection);
			delay_add(s.delay, connection, c->r.delay_ns);
			return MHD_YES;
		}
	}
	if (c->worked)
		c->t.work_ends();
	return answer(connection, *c);
}

void on_completed(void *, MHD_Connection *, void **own, MHD_RequestTerminationCode)
{
	const std::unique_ptr<conversation> c(static_cast<conversation *>(*own));

	*own = nullptr;
	if (c == nullptr || c->ended)
		return;
	c->r.status = client_gone;
	end(*c);
}

bool start(server &s, int fd, const args &a)
{
	MHD_OptionItem pool[] = {{MHD_OPTION_THREAD_POOL_SIZE, static_cast<std::intptr_t>(a.threads), nullptr},
	                         {MHD_OPTION_END, 0, nullptr}};

	if (a.threads == 1)
		pool[0] = pool[1]; // a pool of one is no pool: libmicrohttpd refuses it
	s.store = store_new(a.slow_ppm, a.fail_ppm);
	s.delay = delay_new();
	if (s.store != nullptr && s.delay != nullptr)
		s.daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, nullptr, nullptr,
		                            on_request, &s, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, &s,
		                            MHD_OPTION_CONNECTION_TIMEOUT, idle_s, MHD_OPTION_ARRAY, pool, MHD_OPTION_END);
	if (s.daemon == nullptr) {
		std::fputs("orders: the store's server does not start\n", stderr);
		close(fd);
	}
	return s.daemon != nullptr;
}

void stop(server &s)
{
	if (s.delay != nullptr)
		delay_stop(s.delay); // first: a suspended connection must not meet the daemon's end
	if (s.daemon != nullptr)
		MHD_stop_daemon(s.daemon);
	if (s.delay != nullptr)
		delay_destroy(s.delay);
	store_destroy(s.store);
}

} // namespace

} // namespace keeper

int main(int argc, char **argv)
{
	const sigset_t end = signals_take();
	char where[LISTENER_TEXT];
	keeper::server server;
	args a;

	const int code = args_parse(&a, argc, argv);
	if (code != ARGS_RUN)
		return code;
	if (a.access_log != nullptr && !access_open(a.access_log))
		return EXIT_FAILURE;
	const int fd = listener_open(&a.listen, where);
	if (fd < 0)
		return EXIT_FAILURE;
	a.role = ROLE_STORE; // also where this program is called by its own name
	if (a.telemetry) {
		keeper::telemetry_start();
		if (endpoint_start(&a) != 0) {
			close(fd);
			return EXIT_FAILURE;
		}
	}
	const bool served = keeper::start(server, fd, a);
	if (served)
		signals_await(&end, where);
	keeper::stop(server);
	if (a.telemetry)
		endpoint_stop();
	access_close();
	return served ? EXIT_SUCCESS : EXIT_FAILURE;
}
