//! bench: how a loop is timed, for the peers in Rust: as bench.c does it.

use std::sync::Barrier;
use std::time::Instant;

pub struct Bench {
    pub row: String,
    batch_ns: f64,
    batches: usize,
    threads: usize,
}

impl Bench {
    pub fn new() -> Bench {
        let args: Vec<String> = std::env::args().collect();
        assert!(args.len() == 5, "call me as PROGRAM ROW BATCH_MS BATCHES THREADS");
        Bench {
            row: args[1].clone(),
            batch_ns: args[2].parse::<f64>().unwrap() * 1e6,
            batches: args[3].parse().unwrap(),
            threads: args[4].parse().unwrap(),
        }
    }

    pub fn print(&self, who: &str, value: f64) {
        println!("{} {} {:.4}", self.row, who, value);
    }

    /// From the first thread's start to the last one's end.
    fn run(&self, work: &(dyn Fn(usize) + Sync), count: usize) -> f64 {
        if self.threads == 1 {
            let began = Instant::now();
            work(count);
            return began.elapsed().as_nanos() as f64;
        }
        let ready = Barrier::new(self.threads);
        let times: Vec<(Instant, Instant)> = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..self.threads)
                .map(|number| {
                    let ready = &ready;
                    scope.spawn(move || {
                        pin(number);
                        work(1);
                        ready.wait();
                        let began = Instant::now();
                        work(count / self.threads + 1);
                        (began, Instant::now())
                    })
                })
                .collect();
            handles.into_iter().map(|h| h.join().unwrap()).collect()
        });
        let began = times.iter().map(|t| t.0).min().unwrap();
        let ended = times.iter().map(|t| t.1).max().unwrap();
        ended.duration_since(began).as_nanos() as f64
    }

    pub fn measure(&self, who: &str, work: impl Fn(usize) + Sync) {
        let mut count = 1024;
        let mut took = self.run(&work, count);
        while took < self.batch_ns / 4.0 {
            count *= 2;
            took = self.run(&work, count);
        }
        count = (count as f64 * self.batch_ns / took) as usize + 1;
        for _ in 0..self.batches {
            self.print(who, self.run(&work, count) / count as f64);
        }
    }

    /// For what cannot be shared between threads: nothing is printed where there is more than one.
    pub fn measure_alone(&self, who: &str, mut work: impl FnMut(usize)) {
        if self.threads > 1 {
            return;
        }
        let mut count = 1024;
        let mut time = |count: usize| {
            let began = Instant::now();
            work(count);
            began.elapsed().as_nanos() as f64
        };
        let mut took = time(count);
        while took < self.batch_ns / 4.0 {
            count *= 2;
            took = time(count);
        }
        count = (count as f64 * self.batch_ns / took) as usize + 1;
        for _ in 0..self.batches {
            self.print(who, time(count) / count as f64);
        }
    }

    /// Blocks of operations: each is timed, and what puts things in order after it is not.
    pub fn measure_blocks(&self, who: &str, block: usize, mut work: impl FnMut(usize), mut between: impl FnMut()) {
        for _ in 0..64 {
            work(block);
            between();
        }
        for _ in 0..self.batches {
            let mut all = Vec::new();
            let batch = Instant::now();
            while all.len() < 5 || (batch.elapsed().as_nanos() as f64) < self.batch_ns {
                let began = Instant::now();
                work(block);
                all.push(began.elapsed().as_nanos() as f64);
                between();
            }
            all.sort_by(f64::total_cmp);
            self.print(who, (all[(all.len() - 1) / 2] + all[all.len() / 2]) / 2.0 / block as f64);
        }
    }

    /// CPU time of all threads a span: a block, a millisecond of sleep, and so on.
    pub fn measure_cpu(&self, who: &str, block: usize, mut work: impl FnMut(usize), mut flush: impl FnMut()) {
        for batch in 0..=self.batches {
            let (began, before, mut spans) = (Instant::now(), cpu_ns(), 0);
            while (began.elapsed().as_nanos() as f64) < self.batch_ns {
                work(block);
                spans += block;
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            flush();
            if batch != 0 {
                self.print(who, (cpu_ns() - before) / spans as f64);
            }
        }
    }

    /// A million spans, within a second or flat out; exported tells how many have come out, after a flush. Prints how many
    /// were lost, or their share.
    pub fn measure_flood(&self, who: &str, rate: bool, mut work: impl FnMut(usize), mut exported: impl FnMut() -> u64) {
        const FLOOD: usize = 1_000_000;
        const SLICE: usize = 100;
        let mut before = exported();
        for _ in 0..self.batches {
            let began = Instant::now();
            for done in (0..FLOOD).step_by(SLICE) {
                while rate && began.elapsed().as_nanos() < done as u128 * 1000 {}
                work(SLICE);
            }
            let took = began.elapsed().as_secs_f64();
            let after = exported();
            let lost = FLOOD as f64 - (after - before) as f64;
            before = after;
            eprintln!("bench: {who}: {took:.3} s, lost {lost}");
            self.print(who, if rate { lost } else { 100.0 * lost / FLOOD as f64 });
        }
    }

    /// One operation that times itself, and returns its ns.
    pub fn measure_once(&self, who: &str, mut once: impl FnMut() -> f64) {
        once();
        for _ in 0..self.batches {
            let mut all = Vec::new();
            let began = Instant::now();
            while all.len() < 5 || (began.elapsed().as_nanos() as f64) < self.batch_ns && all.len() < 100_000 {
                all.push(once());
            }
            all.sort_by(f64::total_cmp);
            self.print(who, (all[(all.len() - 1) / 2] + all[all.len() / 2]) / 2.0);
        }
    }
}

/// Thread n runs on the n-th processor that we were given, round and round.
fn pin(number: usize) {
    // SAFETY: plain sets of bits, of the size that is told.
    unsafe {
        let size = std::mem::size_of::<libc::cpu_set_t>();
        let mut given: libc::cpu_set_t = std::mem::zeroed();
        let mut one: libc::cpu_set_t = std::mem::zeroed();
        assert!(libc::sched_getaffinity(libc::getpid(), size, &mut given) == 0);
        let cpus: Vec<usize> = (0..libc::CPU_SETSIZE as usize).filter(|&c| libc::CPU_ISSET(c, &given)).collect();
        libc::CPU_SET(cpus[number % cpus.len()], &mut one);
        assert!(libc::sched_setaffinity(0, size, &one) == 0);
    }
}

fn cpu_ns() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: t is ours.
    assert!(unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) } == 0);
    t.tv_sec as f64 * 1e9 + t.tv_nsec as f64
}

pub fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find(|l| l.starts_with("Rss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}

/// Runs in a forked child, and waits for it.
pub fn in_child(work: impl FnOnce()) {
    // SAFETY: there is one thread.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0);
        if child == 0 {
            work();
            std::process::exit(0);
        }
        let mut status = 0;
        assert!(libc::waitpid(child, &mut status, 0) == child && status == 0);
    }
}
