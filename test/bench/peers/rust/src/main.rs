//! bench: the peers from crates. Called as PROGRAM ROW BATCH_MS BATCHES THREADS; prints one line a batch,
//! "ROW WHO VALUE", peer after peer. What a peer cannot do is not printed.

mod client;
mod fast;
mod harness;
mod hdr;
mod interned;
mod otel;
mod prom;
mod workload;

fn main() {
    let bench = harness::Bench::new();
    let peers: [fn(&harness::Bench); 6] = [prom::run, client::run, interned::run, hdr::run, fast::run, otel::run];
    for peer in peers {
        if bench.row.starts_with("bytes_") {
            harness::in_child(|| peer(&bench)); // a heap that no other peer has used
        } else {
            peer(&bench);
        }
    }
}

/// The row's number of series, where it begins with that prefix.
pub fn sized(row: &str, prefix: &str) -> Option<usize> {
    match row.strip_prefix(prefix)? {
        "1" => Some(1),
        "1k" => Some(1_000),
        "10k" => Some(10_000),
        "100k" => Some(100_000),
        "1m" => Some(1_000_000),
        _ => None,
    }
}
