//! bench: the same work as workload.h, by the same rules.

pub const LISTS: usize = 1000;
pub const VALUES: usize = 16384;
pub const FAMILIES: usize = 100;
pub const TURNS: usize = 16;

pub const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "PATCH"];
pub const ROUTES: [&str; 20] = [
    "/", "/healthz", "/metrics", "/login", "/logout", "/api/v1/orders", "/api/v1/orders/{id}",
    "/api/v1/orders/{id}/items", "/api/v1/items", "/api/v1/items/{id}", "/api/v1/users", "/api/v1/users/{id}",
    "/api/v1/users/{id}/orders", "/api/v1/carts", "/api/v1/carts/{id}", "/api/v1/search", "/api/v1/payments",
    "/api/v1/payments/{id}", "/api/v1/invoices", "/api/v1/invoices/{id}",
];
pub const CODES: [&str; 10] = ["200", "201", "204", "301", "304", "400", "401", "404", "500", "503"];
pub const BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e3779b97f4a7c15);
    let mut z = *state;
    z = (z ^ z >> 30).wrapping_mul(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d049bb133111eb);
    z ^ z >> 31
}

pub fn shuffle(count: usize, mut seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for i in (1..count).rev() {
        order.swap(i, (next(&mut seed) % (i as u64 + 1)) as usize);
    }
    order
}

pub fn lists() -> Vec<[&'static str; 3]> {
    shuffle(LISTS, 1).iter().map(|&i| [METHODS[i % 5], ROUTES[i / 5 % 20], CODES[i / 100]]).collect()
}

/// Tenants, in the order in which their requests come: even, or each tenfold of ranks has the same share.
pub fn tenants(count: usize, skewed: bool) -> Vec<String> {
    let mut seed = if skewed { 5 } else { 4 };
    (0..1 << 20)
        .map(|_| {
            let drawn = next(&mut seed);
            let u = (drawn >> 11) as f64 / 9007199254740992.0;
            let i = if skewed { (count as f64).powf(u) as u64 - 1 } else { drawn % count as u64 };
            format!("tenant-{i:05}")
        })
        .collect()
}

/// In ns.
pub fn values(lowest: f64, highest: f64) -> Vec<u64> {
    let mut seed = 2;
    (0..VALUES)
        .map(|_| {
            let u = (next(&mut seed) >> 11) as f64 / 9007199254740992.0;
            (lowest * (highest / lowest).powf(u)) as u64
        })
        .collect()
}

pub fn seconds(lowest: f64, highest: f64) -> Vec<f64> {
    values(lowest, highest).iter().map(|&v| v as f64 / 1e9).collect()
}

pub fn route(i: usize) -> String {
    format!("/api/v1/orders/{:02}", i / 20)
}

pub fn family(f: usize) -> (String, String) {
    (format!("bench_requests_{f:03}_total"), format!("Requests of family {f}."))
}

pub fn start(i: usize) -> u64 {
    1_000_000 + 7919 * i as u64
}

pub fn growth(i: usize) -> u64 {
    1 + i as u64 % 7
}

pub const BLOCK: usize = 512;
pub const IDS: [&str; TURNS] = [
    "42-1234500", "42-1234501", "42-1234502", "42-1234503", "42-1234504", "42-1234505", "42-1234506", "42-1234507",
    "42-1234508", "42-1234509", "42-1234510", "42-1234511", "42-1234512", "42-1234513", "42-1234514", "42-1234515",
];
pub const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
