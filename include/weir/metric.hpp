// weir for C++17: typed instruments and a timer. A few lines over weir/metric.h, and mixes with it: c() gives the C object.
#ifndef WEIR_METRIC_HPP
#define WEIR_METRIC_HPP

#include <weir/weir.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weir {

constexpr weir_str str(std::string_view s) { return {s.data(), s.size()}; }
inline std::string_view view(weir_str s) { return {s.ptr, s.len}; }

// ---- instruments: for templates, inline functions and class members; elsewhere the macros do as well. Constant initialised,
// no guard, no destructor; registered at first use (a macro's instrument is registered at load, and exported as 0 before).
//   static weir::counter hits{"cache_hits_total", "Found.", "cache"};   hits.add(1, name);
// Every function: Threads any, Signals safe, and the rest as the C function that it calls.
struct claim { // a label that the request's context fills: weir::counter hits{"hits_total", "Found.", weir::claim{WEIR_CLAIM("tenant")}};
	template <std::size_t M> constexpr explicit claim(const char (&label)[M]) : text(label) {}
	constexpr operator const char *() const { return text; }
	const char *text;
};
template <class... L> inline constexpr std::size_t claims = (std::size_t{0} + ... + std::size_t{std::is_same_v<L, claim>});

template <class C, weir_kind Kind, std::size_t N, std::size_t Claims = 0> class instrument {
public:
	instrument(const instrument &) = delete;
	instrument &operator=(const instrument &) = delete;
	const C *c() const { return &c_; }

protected:
	template <class... L>
	constexpr instrument(weir_unit unit, const weir_layout *layout, const std::uint64_t *shape, std::size_t words,
	                     const char *name, const char *help, L... labels)
	    : text_{name, help, labels..., nullptr}, state_{layout, nullptr, 0, 0},
	      c_{{&state_, text_, shape, static_cast<std::uint16_t>(words), N, 1, Kind, static_cast<std::uint8_t>(unit), 0}}
	{
		static_assert((std::is_convertible_v<L, const char *> && ...), "weir: label names are string literals");
	}
	template <class... V> static constexpr void check()
	{
		static_assert(Claims == 0, "weir: a context fills some of these labels: give it, in the form with _ctx");
		check_ctx<V...>();
	}
	template <class... V> static constexpr void check_ctx()
	{
		static_assert(sizeof...(V) == N - Claims, "weir: give as many label values as the instrument has label names");
		static_assert((std::is_convertible_v<V, std::string_view> && ...), "weir: label values are text");
	}
	const char *text_[N + 3];
	weir_state state_;
	C c_;
};

// One class for each kind of number that is added or set: the C functions are its traits.
template <std::size_t N, std::size_t Claims = 0> class counter : public instrument<weir_counter, WEIR_COUNTER_KIND, N, Claims> {
	using base = instrument<weir_counter, WEIR_COUNTER_KIND, N, Claims>;

public:
	template <class... L>
	constexpr counter(const char *name, const char *help, L... labels)
	    : base(WEIR_ONE, nullptr, nullptr, 0, name, help, labels...)
	{
	}
	template <class... L>
	constexpr counter(weir_unit unit, const char *name, const char *help, L... labels)
	    : base(unit, nullptr, nullptr, 0, name, help, labels...)
	{
	}
	template <class T, class... V> void add(T n, const V &...values)
	{
		static_assert(std::is_integral_v<T> && !std::is_same_v<T, bool>, "weir: a counter takes integers");
		base::template check<V...>();
		if constexpr (N == 0) {
			weir_counter_add(this->c(), static_cast<std::uint64_t>(n));
		} else {
			const weir_str v[] = {str(values)...};
			weir_counter_add_values(this->c(), static_cast<std::uint64_t>(n), nullptr, v, N);
		}
	}
	template <class T, class... V> void add_ctx(const weir_ctx *ctx, T n, const V &...values) // for a request: an exemplar
	{
		static_assert(std::is_integral_v<T> && !std::is_same_v<T, bool>, "weir: a counter takes integers");
		base::template check_ctx<V...>();
		const weir_str v[N - Claims + 1] = {str(values)...};
		weir_counter_add_values(this->c(), static_cast<std::uint64_t>(n), ctx != nullptr ? ctx : weir_ctx_current(), v, N - Claims);
	}
	template <class... V> weir_counter_series with(const V &...values) const
	{
		base::template check<V...>();
		const weir_str v[N + 1] = {str(values)...};
		return weir_counter_values(this->c(), v, N);
	}
	std::uint64_t read() const { return weir_counter_read(this->c()); }
};
template <class... L> counter(const char *, const char *, L...) -> counter<sizeof...(L), claims<L...>>;
template <class... L> counter(weir_unit, const char *, const char *, L...) -> counter<sizeof...(L), claims<L...>>;

template <std::size_t N> class updown : public instrument<weir_updown, WEIR_UPDOWN_KIND, N> {
	using base = instrument<weir_updown, WEIR_UPDOWN_KIND, N>;

public:
	template <class... L>
	constexpr updown(const char *name, const char *help, L... labels)
	    : base(WEIR_ONE, nullptr, nullptr, 0, name, help, labels...)
	{
	}
	template <class... V> void add(std::int64_t n, const V &...values)
	{
		base::template check<V...>();
		if constexpr (N == 0) {
			weir_updown_add(this->c(), n);
		} else {
			const weir_str v[] = {str(values)...};
			weir_updown_add_values(this->c(), n, nullptr, v, N);
		}
	}
	std::int64_t read() const { return weir_updown_read(this->c()); }
};
template <class... L> updown(const char *, const char *, L...) -> updown<sizeof...(L)>;

template <std::size_t N> class gauge : public instrument<weir_gauge, WEIR_GAUGE_KIND, N> {
	using base = instrument<weir_gauge, WEIR_GAUGE_KIND, N>;

public:
	template <class... L>
	constexpr gauge(const char *name, const char *help, L... labels)
	    : base(WEIR_ONE, nullptr, nullptr, 0, name, help, labels...)
	{
	}
	template <class... L>
	constexpr gauge(weir_unit unit, const char *name, const char *help, L... labels)
	    : base(unit, nullptr, nullptr, 0, name, help, labels...)
	{
	}
	template <class... V> void set(std::int64_t value, const V &...values)
	{
		base::template check<V...>();
		if constexpr (N == 0) {
			weir_gauge_set(this->c(), value);
		} else {
			const weir_str v[] = {str(values)...};
			weir_gauge_set_values(this->c(), value, v, N);
		}
	}
	template <class... V> void add(std::int64_t value, const V &...values)
	{
		base::template check<V...>();
		if constexpr (N == 0) {
			weir_gauge_add(this->c(), value);
		} else {
			const weir_str v[] = {str(values)...};
			weir_gauge_add_values(this->c(), value, v, N);
		}
	}
	std::int64_t read() const { return weir_gauge_read(this->c()); }
};
template <class... L> gauge(const char *, const char *, L...) -> gauge<sizeof...(L)>;
template <class... L> gauge(weir_unit, const char *, const char *, L...) -> gauge<sizeof...(L)>;

template <std::size_t N> class float_gauge : public instrument<weir_float_gauge, WEIR_FLOAT_GAUGE_KIND, N> {
	using base = instrument<weir_float_gauge, WEIR_FLOAT_GAUGE_KIND, N>;

public:
	template <class... L>
	constexpr float_gauge(const char *name, const char *help, L... labels)
	    : base(WEIR_ONE, nullptr, nullptr, 0, name, help, labels...)
	{
	}
	template <class... V> void set(double value, const V &...values)
	{
		base::template check<V...>();
		if constexpr (N == 0) {
			weir_float_gauge_set(this->c(), value);
		} else {
			const weir_str v[] = {str(values)...};
			weir_float_gauge_set_values(this->c(), value, v, N);
		}
	}
	double read() const { return weir_float_gauge_read(this->c()); }
};
template <class... L> float_gauge(const char *, const char *, L...) -> float_gauge<sizeof...(L)>;

// Shapes are static arrays: static constexpr std::uint64_t sizes[] = WEIR_BUCKETS(WEIR_BYTES, WEIR_BOUNDS(64, 1024));
inline constexpr std::uint64_t latency[] = WEIR_LATENCY;

template <std::size_t N, std::size_t Claims = 0>
class histogram : public instrument<weir_histogram, WEIR_HISTOGRAM_KIND, N, Claims> {
	using base = instrument<weir_histogram, WEIR_HISTOGRAM_KIND, N, Claims>;

public:
	template <std::size_t W, class... L>
	constexpr histogram(const std::uint64_t (&shape)[W], const char *name, const char *help, L... labels)
	    : base(WEIR_ONE, &weir_layout_none_v1, shape, W, name, help, labels...)
	{
	}
	template <class T, class... V> auto record(T value, const V &...values) -> std::enable_if_t<std::is_arithmetic_v<T>>
	{
		static_assert(std::is_unsigned_v<T>, "weir: record takes an unsigned integer (or a std::chrono duration)");
		base::template check<V...>();
		if constexpr (N == 0) {
			weir_histogram_record(this->c(), value);
		} else {
			const weir_str v[] = {str(values)...};
			weir_histogram_record_values(this->c(), value, nullptr, v, N);
		}
	}
	template <class R, class P, class... V> void record(std::chrono::duration<R, P> d, const V &...values)
	{
		auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(d).count();
		record(ns < 0 ? std::uint64_t{0} : static_cast<std::uint64_t>(ns), values...);
	}
	template <class T, class... V> void record_ctx(const weir_ctx *ctx, T value, const V &...values) // for a request: an exemplar
	{
		static_assert(std::is_unsigned_v<T>, "weir: record takes an unsigned integer (or a std::chrono duration)");
		base::template check_ctx<V...>();
		const weir_str v[N - Claims + 1] = {str(values)...};
		weir_histogram_record_values(this->c(), value, ctx != nullptr ? ctx : weir_ctx_current(), v, N - Claims);
	}
	template <class... V> weir_histogram_series with(const V &...values) const
	{
		base::template check<V...>();
		const weir_str v[N + 1] = {str(values)...};
		return weir_histogram_values(this->c(), v, N);
	}
	weir_distribution read() const { return weir_histogram_read(this->c()); }
};
template <std::size_t W, class... L>
histogram(const std::uint64_t (&)[W], const char *, const char *, L...) -> histogram<sizeof...(L), claims<L...>>;

class timer { // move-only: records when it dies, unless dropped
public:
	explicit timer(const weir_histogram &h) : h_(&h), w_(weir_stopwatch_begin()) {}
	template <std::size_t N, std::size_t Claims> explicit timer(const histogram<N, Claims> &h) : timer(*h.c())
	{
		static_assert(N == 0, "weir: a timer records into a histogram without labels, or into a handle");
	}
	explicit timer(weir_histogram_series s) : s_(s), w_(weir_stopwatch_begin()) {}
	timer(timer &&o) noexcept : h_(std::exchange(o.h_, nullptr)), s_(std::exchange(o.s_, {})), w_(o.w_) {}
	timer &operator=(timer &&o) noexcept
	{
		timer t(std::move(o));
		std::swap(h_, t.h_);
		std::swap(s_, t.s_);
		std::swap(w_, t.w_);
		return *this;
	}
	timer(const timer &) = delete;
	timer &operator=(const timer &) = delete;
	~timer()
	{
		if (h_ != nullptr)
			weir_stopwatch_record(&w_, h_);
		else if (s_.cell_ != 0)
			weir_stopwatch_record_series(&w_, s_);
	}
	void drop()
	{
		h_ = nullptr;
		s_ = {};
	}

private:
	const weir_histogram *h_ = nullptr;
	weir_histogram_series s_{};
	weir_stopwatch w_;
};

} // namespace weir
#endif
