// weir for C++17: contexts, spans and attributes, ended by their scope. A few lines over weir/context.h and weir/span.h, and
// mixes with them: c() gives the C object.
#ifndef WEIR_SPAN_HPP
#define WEIR_SPAN_HPP

#include <weir/metric.hpp>

#include <iterator>
#include <optional>

namespace weir {

// ---- attributes: span.set({{"db.system.name", "postgresql"}, {"db.rows", 3}, {"shards", weir::list{1, 2, 3}}});
// A value is text, a bool, any integer (as int64_t: what is above its end wraps), any floating point number (as double),
// weir::bytes, or an array: a weir::list of one kind of these, or what has data() and size() and holds weir_str, bool, int64_t or
// double as it is. What it points to must live until the end of the full expression.
struct bytes {
	const void *ptr;
	std::size_t size;
};

namespace detail {
template <class T>
inline constexpr bool is_text = std::is_convertible_v<T, const char *> || std::is_convertible_v<T, std::string_view>;
template <class... V> constexpr auto element()
{
	static_assert(sizeof...(V) != 0 && ((std::is_same_v<V, bool> && ...) || (std::is_integral_v<V> && ...) ||
	                                    (std::is_arithmetic_v<V> && ...) || (is_text<V> && ...)),
	              "weir: a list holds text, or bools, or integers, or floating point numbers");
	if constexpr ((std::is_same_v<V, bool> && ...))
		return bool{};
	else if constexpr ((std::is_integral_v<V> && ...))
		return std::int64_t{};
	else if constexpr ((std::is_arithmetic_v<V> && ...))
		return double{};
	else
		return weir_str{};
}
template <class T> weir_str text(const T &v)
{
	if constexpr (std::is_convertible_v<T, const char *>)
		return weir_str_of(v);
	else
		return str(v);
}
template <class E, class T> E one(const T &v)
{
	if constexpr (std::is_same_v<E, weir_str>)
		return text(v);
	else
		return static_cast<E>(v);
}
template <class T, class = void> struct array { using type = void; };
template <class T> struct array<T, std::void_t<decltype(std::data(std::declval<const T &>()), std::size(std::declval<const T &>()))>> {
	using type = std::remove_cv_t<std::remove_pointer_t<decltype(std::data(std::declval<const T &>()))>>;
};
template <class T> weir_list list_of(const T &v) { return {std::data(v), std::size(v)}; }

template <class T> weir_attr make(const char *key, const T &v)
{
	using E = typename array<T>::type;
	constexpr bool strs = std::is_same_v<E, weir_str>, bools = std::is_same_v<E, bool>, doubles = std::is_same_v<E, double>,
	               ints = std::is_same_v<E, std::int64_t> || std::is_same_v<E, long long>;
	static_assert(is_text<T> || std::is_arithmetic_v<T> || std::is_same_v<T, bytes> || strs || bools || doubles || ints,
	              "weir: an attribute is text, a bool, a number, weir::bytes, or an array of weir_str, bool, int64_t or double");
	if constexpr (std::is_same_v<T, bool>)
		return weir_attr_bool(key, v);
	else if constexpr (std::is_integral_v<T>)
		return weir_attr_int(key, static_cast<std::int64_t>(v));
	else if constexpr (std::is_floating_point_v<T>)
		return weir_attr_double(key, static_cast<double>(v));
	else if constexpr (std::is_same_v<T, bytes>)
		return weir_attr_bytes(key, weir_str_n(v.ptr, v.size));
	else if constexpr (is_text<T>)
		return weir_attr_str_n(key, text(v));
	else if constexpr (strs)
		return weir_attr_strs(key, list_of(v));
	else if constexpr (bools)
		return weir_attr_bools(key, list_of(v));
	else if constexpr (ints)
		return weir_attr_ints(key, list_of(v));
	else if constexpr (doubles)
		return weir_attr_doubles(key, list_of(v));
	else
		return weir_attr{};
}
template <class Put> void put(void *f, weir_str name, weir_str value) { (*static_cast<Put *>(f))(view(name), view(value)); }
template <std::size_t N> struct room { char room_[N]; };
} // namespace detail

template <class E, std::size_t N> class list { // of text, bools, integers or floating point numbers: in the call
public:
	template <class... V> list(const V &...v) : v_{detail::one<E>(v)...} {}
	const E *data() const { return v_; }
	std::size_t size() const { return N; }

private:
	E v_[N];
};
template <class... V> list(const V &...) -> list<decltype(detail::element<V...>()), sizeof...(V)>;

struct attr : weir_attr {
	template <class T> attr(const char *k, const T &v) : weir_attr(detail::make(k, v)) {}
};
static_assert(sizeof(attr) == sizeof(weir_attr), "an array of one is an array of the other");
using attrs = std::initializer_list<attr>;

class log_text { // "trace_id=... span_id=...", or empty where there is no trace; ends in NUL
public:
	explicit log_text(const weir_ctx *c) { len_ = static_cast<std::size_t>(weir_ctx_log(c, text_, sizeof text_)); }
	operator std::string_view() const { return {text_, len_}; }
	const char *c_str() const { return text_; }

private:
	char text_[80];
	std::size_t len_;
};

// ---- a request, a span, the current context: ended by their scope. They stay where they are: the memory is yours, 1024 and 512
// bytes. put(std::string_view name, std::string_view value) is called once a header, and does not throw.
class ctx {
public:
	struct child_of { const weir_ctx *parent; }; // weir::ctx child{weir::ctx::child_of{request.c()}};
	ctx() { weir_ctx_begin(&c_, nullptr, 0); }
	explicit ctx(child_of p) { weir_ctx_begin_child(&c_, p.parent); }
	explicit ctx(const weir_ctx_options &o) { weir_ctx_begin_opts(&c_, &o); }
	template <class Headers> explicit ctx(const Headers &given) : ctx() { add(given); } // pairs of what is a string_view
	ctx(const ctx &) = delete;
	ctx &operator=(const ctx &) = delete;
	~ctx() { weir_ctx_end(&c_); }
	weir_ctx *c() { return &c_; }
	const weir_ctx *c() const { return &c_; }
	template <class Headers> void add(const Headers &given) // before the first span
	{
		for (const auto &[key, value] : given)
			header(key, value);
	}
	void header(std::string_view name, std::string_view value) { weir_ctx_add_header(&c_, str(name), str(value)); }
	void route(std::string_view route) { weir_ctx_set_route(&c_, str(route)); }
	void status(int http_status) { weir_ctx_set_status(&c_, http_status); }
	void peer(const void *sockaddr, std::size_t size) { weir_ctx_set_peer(&c_, sockaddr, size); }
	void slo(const weir_histogram &h) { weir_ctx_set_slo(&c_, &h); }
	template <std::size_t N, std::size_t Claims> void slo(const histogram<N, Claims> &h) { slo(*h.c()); }
	template <class Put> void inject(Put put) const { weir_ctx_inject(&c_, detail::put<Put>, &put); }
	template <class Put> void inject_response(Put put) const { weir_ctx_inject_response(&c_, detail::put<Put>, &put); }
	weir_ids ids() const { return weir_ctx_ids(&c_); }
	log_text log() const { return log_text(&c_); }
	std::string_view claim(const char *name) const { return view(weir_ctx_get_claim(&c_, name)); } // data() is null: there is none
	// The value in buf, without a NUL of its own where it fills it; nothing where there is none, or it does not fit.
	template <std::size_t N> std::optional<std::string_view> baggage(const char *key, char (&buf)[N]) const
	{
		int len = weir_ctx_get_baggage(&c_, key, buf, N);

		if (len < 0 || static_cast<std::size_t>(len) >= N)
			return std::nullopt;
		return std::string_view(buf, static_cast<std::size_t>(len));
	}
	int set_baggage(const char *key, std::string_view value) { return weir_ctx_set_baggage(&c_, key, filled(value)); }
	int remove_baggage(const char *key) { return weir_ctx_set_baggage(&c_, key, {nullptr, 0}); }
	std::string_view tracestate(const char *key) const { return view(weir_ctx_get_tracestate(&c_, key)); }
	int set_tracestate(const char *key, std::string_view value) { return weir_ctx_set_tracestate(&c_, key, filled(value)); }

private:
	static weir_str filled(std::string_view v) { return v.data() != nullptr ? str(v) : weir_str{"", 0}; }
	weir_ctx c_;
};

template <std::size_t N> class ctx_with_baggage : private detail::room<N>, public ctx { // with N bytes for it, 8192 at most
public:
	ctx_with_baggage() : ctx(options(nullptr)) {}
	explicit ctx_with_baggage(child_of p) : ctx(options(p.parent)) {} // the parent's baggage is copied
	template <class Headers> explicit ctx_with_baggage(const Headers &given) : ctx_with_baggage() { this->add(given); }

private:
	weir_ctx_options options(const weir_ctx *parent)
	{
		weir_ctx_options o{};

		o.buffer = this->room_;
		o.buffer_size = N;
		o.parent = parent;
		return o;
	}
};

class current { // for as long as it lives, ctx is the thread's
public:
	explicit current(ctx &x) : current(x.c()) {}
	explicit current(weir_ctx *x) : scope_(weir_ctx_attach(x)) {}
	current(const current &) = delete;
	current &operator=(const current &) = delete;
	~current() { weir_ctx_detach(scope_); }
	static weir_ids ids() { return weir_ctx_ids(WEIR_CURRENT); }
	static log_text log() { return log_text(WEIR_CURRENT); }
	template <class Put> static void inject(Put put) { weir_ctx_inject(WEIR_CURRENT, detail::put<Put>, &put); }

private:
	weir_scope scope_;
};

class span {
public:
	explicit span(const char *name, weir_span_kind kind = WEIR_INTERNAL) { weir_span_begin(&c_, WEIR_CURRENT, kind, name); }
	span(ctx &x, const char *name, weir_span_kind kind = WEIR_INTERNAL) { weir_span_begin(&c_, x.c(), kind, name); }
	span(ctx &x, const char *name, weir_span_kind kind, const weir_span_options &o)
	{
		weir_span_begin_opts(&c_, x.c(), kind, name, &o);
	}
	span(ctx &x, const char *name, weir_span_kind kind, attrs a) : span(x, name, kind, seen(nullptr, a)) {} // samplers see them
	span(ctx &x, const span &parent, const char *name, weir_span_kind kind = WEIR_INTERNAL, attrs a = {}) // several at once
	    : span(x, name, kind, seen(&parent.c_, a))
	{
	}
	span(const span &) = delete;
	span &operator=(const span &) = delete;
	~span()
	{
		if (!ended_)
			weir_span_end(&c_);
	}
	weir_span *c() { return &c_; }
	const weir_span *c() const { return &c_; }

	// Of a span that is not recorded nothing is kept, and nothing is called.
	bool recording() const { return weir_span_is_recording(&c_); }
	void set(attrs a)
	{
		if (recording())
			weir_span_set_attrs(&c_, {a.begin(), a.size()});
	}
	template <class T> void set(const char *key, const T &value)
	{
		if (recording())
			set({attr(key, value)});
	}
	void event(const char *name)
	{
		if (recording())
			weir_span_event(&c_, name);
	}
	void event(const char *name, attrs a)
	{
		if (recording())
			weir_span_event_attrs(&c_, name, {a.begin(), a.size()});
	}
	void event_at(const char *name, std::uint64_t time_ns, attrs a = {}) // wall clock
	{
		if (recording())
			weir_span_event_at(&c_, name, time_ns, {a.begin(), a.size()});
	}
	void link(const weir_ids &ids, attrs a = {}) { weir_span_link_attrs(&c_, ids, {a.begin(), a.size()}); }
	void link(const span &other, attrs a = {}) { link(other.ids(), a); }
	void name(std::string_view name) { weir_span_set_name(&c_, str(name)); }
	void fail(const char *why = nullptr) { weir_span_fail(&c_, why); }
	void ok() { weir_span_ok(&c_); }
	weir_ids ids() const { return weir_span_ids(&c_); }
	template <class Put> void inject(Put put) const { weir_span_inject(&c_, detail::put<Put>, &put); }

	// Its duration; 0 where no clock was read. With a histogram, or a handle, it is recorded too.
	std::chrono::nanoseconds end() { return done(weir_span_end(&c_)); }
	std::chrono::nanoseconds end(weir_histogram_series s) { return done(weir_span_end_record_series(&c_, s)); }
	template <class... V>
	__attribute__((always_inline)) std::chrono::nanoseconds end(const weir_histogram &h, const V &...labels)
	{
		static_assert((std::is_convertible_v<V, std::string_view> && ...), "weir: label values are text");
		WEIR_CHECK_CTX_(&h, sizeof...(V));
		if constexpr (sizeof...(V) == 0) {
			return done(weir_span_end_record(&c_, &h));
		} else {
			const weir_str v[] = {str(labels)...};
			return done(weir_span_end_record_values(&c_, &h, v, sizeof...(V)));
		}
	}
	template <std::size_t N, std::size_t Claims, class... V>
	std::chrono::nanoseconds end(const histogram<N, Claims> &h, const V &...labels)
	{
		static_assert(sizeof...(V) == N - Claims, "weir: give as many label values as the instrument has label names");
		static_assert((std::is_convertible_v<V, std::string_view> && ...), "weir: label values are text");
		const weir_str v[N - Claims + 1] = {str(labels)...};
		return done(weir_span_end_record_values(&c_, h.c(), v, N - Claims));
	}

private:
	static weir_span_options seen(const weir_span *parent, attrs a)
	{
		weir_span_options o{};

		o.parent = parent;
		o.attrs = {a.begin(), a.size()};
		return o;
	}
	std::chrono::nanoseconds done(std::uint64_t ns)
	{
		ended_ = true;
		return std::chrono::nanoseconds(static_cast<std::int64_t>(ns));
	}
	weir_span c_;
	bool ended_ = false;
};

} // namespace weir
#endif
