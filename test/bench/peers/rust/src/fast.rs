//! bench: the crate fastrace. Inner spans are local ones, below a root that stands for the request; a root costs more, and is
//! told apart. It has no encoder of its own: what its reporter gets is only counted.

use crate::harness::{resident, Bench};
use crate::workload::*;
use fastrace::collector::{Config, Reporter, SpanRecord};
use fastrace::prelude::*;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;
use std::time::Duration;

const WHO: &str = "fastrace";
static REPORTED: AtomicU64 = AtomicU64::new(0);
static KEPT: Mutex<Vec<SpanRecord>> = Mutex::new(Vec::new());

struct Null;
impl Reporter for Null {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        REPORTED.fetch_add(spans.len() as u64, Ordering::Relaxed);
        black_box(spans);
    }
}

struct Keep;
impl Reporter for Keep {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        KEPT.lock().unwrap().extend(spans);
    }
}

fn properties(i: usize) -> [(&'static str, &'static str); 3] {
    [("order.id", IDS[i % TURNS]), ("order.state", "accepted"), ("db.system", "postgresql")]
}

/// Spans of one request, whose own span is one of them.
fn request(n: usize, sampled: bool) {
    let root = Span::root("GET /orders/{id}", SpanContext::random().sampled(sampled));
    let _guard = root.set_local_parent();
    for i in 1..n {
        let _span = LocalSpan::enter_with_local_parent("orders.find_one").with_properties(|| properties(i));
    }
}

fn roots(n: usize, sampled: bool) {
    for i in 0..n {
        let context = SpanContext::random().sampled(sampled);
        let _span = black_box(Span::root("orders.find_one", context).with_properties(|| properties(i)));
    }
}

pub fn run(bench: &Bench) {
    let start = || fastrace::set_reporter(Null, Config::default().report_interval(Duration::from_millis(100)));
    let reported = || {
        fastrace::flush();
        REPORTED.load(Ordering::Relaxed)
    };
    match bench.row.as_str() {
        "span_sampled" | "span_sampled_no_tsc" => {
            start();
            bench.measure_blocks(WHO, BLOCK, |n| request(n, true), fastrace::flush);
            bench.measure_blocks("fastrace-root", BLOCK, |n| roots(n, true), fastrace::flush);
        }
        "span_unsampled" => {
            start();
            bench.measure_blocks(WHO, BLOCK, |n| request(n, false), fastrace::flush);
        }
        "span_unsampled_root" => {
            start();
            bench.measure_blocks(WHO, BLOCK, |n| roots(n, false), fastrace::flush);
        }
        "span_cpu_total" => {
            start();
            bench.measure_cpu(WHO, BLOCK, |n| request(n, true), fastrace::flush);
        }
        "span_flood" | "span_flood_default" => {
            start();
            bench.measure_flood(WHO, bench.row == "span_flood", |n| request(n, true), reported);
        }
        "extract_inject" => bench.measure_alone(WHO, |n| {
            for _ in 0..n {
                let context = SpanContext::decode_w3c_traceparent(black_box(TRACEPARENT)).unwrap();
                black_box(context.encode_w3c_traceparent());
            }
        }),
        "ctx_attach_detach" => {
            start();
            let root = Span::root("GET /orders/{id}", SpanContext::random());
            bench.measure_blocks(
                WHO,
                BLOCK,
                |n| {
                    for _ in 0..n {
                        black_box(root.set_local_parent());
                    }
                },
                fastrace::flush,
            );
        }
        "bytes_per_span" => {
            fastrace::set_reporter(Keep, Config::default().report_interval(Duration::from_millis(100)));
            request(BLOCK, true);
            fastrace::flush();
            let before = resident();
            for _ in 0..200 {
                request(BLOCK, true);
                fastrace::flush();
            }
            assert!(KEPT.lock().unwrap().len() == 201 * BLOCK);
            bench.print(WHO, (resident() - before) / (200 * BLOCK) as f64);
        }
        _ => (),
    }
}
