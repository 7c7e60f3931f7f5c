// weir for C++17: what the compiler can end, count and check for you. Header only, no exceptions, no RTTI, nothing of its own
// to link. weir/metric.hpp has instruments and the timer, weir/span.hpp contexts, spans and attributes.
#ifndef WEIR_HPP
#define WEIR_HPP

#include <weir/metric.hpp>
#include <weir/span.hpp>

#endif
