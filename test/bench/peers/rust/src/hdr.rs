//! bench: the crate hdrhistogram: one thread's, one significant digit, which is about as fine as base 2^(1/8).

use crate::harness::Bench;
use crate::workload::*;
use hdrhistogram::Histogram;
use std::hint::black_box;

pub fn run(bench: &Bench) {
    if bench.row == "histogram_exponential" {
        let mut histogram = Histogram::<u64>::new_with_bounds(1_000, 60_000_000_000, 1).unwrap();
        let values = values(1e3, 6e10);
        bench.measure_alone("hdrhistogram", |n| {
            for i in 0..n {
                black_box(&mut histogram).record(values[i % VALUES]).unwrap();
            }
        });
        assert!(!histogram.is_empty());
    }
}
