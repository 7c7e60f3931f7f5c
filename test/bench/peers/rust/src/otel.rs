//! bench: the crates opentelemetry_sdk (as its users have it: a batch processor) and opentelemetry-proto, with prost, as encoder.

use crate::harness::{resident, Bench};
use crate::workload::*;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanExporter,
};
use opentelemetry_sdk::Resource;
use prost::Message;
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;
use std::time::Instant;

const WHO: &str = "opentelemetry_sdk";
static EXPORTED: AtomicU64 = AtomicU64::new(0);
static KEPT: Mutex<Vec<SpanData>> = Mutex::new(Vec::new());

#[derive(Debug, Clone, Copy, PartialEq)]
enum Do {
    Nothing,
    Encode,
    Keep,
}

#[derive(Debug)]
struct Exporter {
    what: Do,
    resource: ResourceAttributesWithSchema,
}

fn encode(spans: Vec<SpanData>, resource: &ResourceAttributesWithSchema) -> Vec<u8> {
    ExportTraceServiceRequest { resource_spans: group_spans_by_resource_and_scope(spans, resource) }.encode_to_vec()
}

impl SpanExporter for Exporter {
    fn export(&self, batch: Vec<SpanData>) -> impl std::future::Future<Output = OTelSdkResult> + Send {
        EXPORTED.fetch_add(batch.len() as u64, Ordering::Relaxed);
        match self.what {
            Do::Nothing => drop(black_box(batch)),
            Do::Encode => drop(black_box(encode(batch, &self.resource))),
            Do::Keep => KEPT.lock().unwrap().extend(batch),
        }
        std::future::ready(Ok(()))
    }
}

struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    request: Context,
}

impl Traces {
    fn new(sampler: Sampler, what: Do, queue: usize) -> Traces {
        let resource = ResourceAttributesWithSchema::from(&Resource::builder_empty().build());
        let config = BatchConfigBuilder::default().with_max_queue_size(queue).build();
        let processor = BatchSpanProcessor::builder(Exporter { what, resource }).with_batch_config(config).build();
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_span_processor(processor)
            .build();
        let tracer = provider.tracer("bench");
        let request = Context::new().with_span(tracer.start_with_context("GET /orders/{id}", &Context::new()));
        Traces { provider, tracer, request }
    }

    fn spans(&self, n: usize, parent: &Context) {
        for i in 0..n {
            let mut span = self.tracer.start_with_context("orders.find_one", parent);
            if span.is_recording() {
                span.set_attributes([
                    KeyValue::new("order.id", IDS[i % TURNS]),
                    KeyValue::new("order.state", "accepted"),
                    KeyValue::new("db.system", "postgresql"),
                ]);
            }
            span.end();
        }
    }

    fn flush(&self) {
        self.provider.force_flush().unwrap();
    }
}

fn encode_1000(bench: &Bench) {
    let traces = Traces::new(Sampler::AlwaysOn, Do::Keep, 2048);
    traces.spans(1000, &traces.request);
    traces.flush();
    let spans = std::mem::take(&mut *KEPT.lock().unwrap());
    assert!(spans.len() == 1000);
    let resource = ResourceAttributesWithSchema::from(&Resource::builder_empty().build());
    bench.measure_once("opentelemetry-proto", || {
        let spans = spans.clone();
        let began = Instant::now();
        assert!(black_box(encode(spans, &resource)).len() > 100_000);
        began.elapsed().as_nanos() as f64
    });
    let request = ExportTraceServiceRequest { resource_spans: group_spans_by_resource_and_scope(spans, &resource) };
    bench.measure_once("prost", || {
        let began = Instant::now();
        black_box(black_box(&request).encode_to_vec());
        began.elapsed().as_nanos() as f64
    });
    eprintln!("bench: prost: {} bytes", request.encoded_len());
}

pub fn run(bench: &Bench) {
    match bench.row.as_str() {
        "span_sampled" | "span_sampled_no_tsc" => {
            let traces = Traces::new(Sampler::AlwaysOn, Do::Nothing, 2048);
            bench.measure_blocks(WHO, BLOCK, |n| traces.spans(n, &traces.request), || traces.flush());
        }
        "span_unsampled" => {
            let traces = Traces::new(Sampler::AlwaysOff, Do::Nothing, 2048);
            bench.measure_alone(WHO, |n| traces.spans(n, &traces.request));
        }
        "span_unsampled_root" => {
            let (traces, none) = (Traces::new(Sampler::AlwaysOff, Do::Nothing, 2048), Context::new());
            bench.measure_alone(WHO, |n| traces.spans(n, &none));
        }
        "span_cpu_total" => {
            for (who, what) in [(WHO, Do::Encode), ("opentelemetry_sdk-plain", Do::Nothing)] {
                let traces = Traces::new(Sampler::AlwaysOn, what, 65536);
                bench.measure_cpu(who, BLOCK, |n| traces.spans(n, &traces.request), || traces.flush());
            }
        }
        "span_flood" | "span_flood_default" => {
            let rate = bench.row == "span_flood";
            let traces = Traces::new(Sampler::AlwaysOn, Do::Nothing, if rate { 1_000_001 } else { 2048 });
            let exported = || {
                traces.flush();
                EXPORTED.load(Ordering::Relaxed)
            };
            bench.measure_flood(WHO, rate, |n| traces.spans(n, &traces.request), exported);
        }
        "extract_inject" => {
            let propagator = TraceContextPropagator::new();
            let carrier = HashMap::from([("traceparent".to_string(), TRACEPARENT.to_string())]);
            let mut out = HashMap::new();
            bench.measure_alone(WHO, |n| {
                for _ in 0..n {
                    let cx = propagator.extract_with_context(&Context::new(), black_box(&carrier));
                    propagator.inject_context(&cx, &mut out);
                    black_box(&out);
                }
            });
            assert!(out["traceparent"] == TRACEPARENT);
        }
        "ctx_attach_detach" => {
            let traces = Traces::new(Sampler::AlwaysOn, Do::Nothing, 2048);
            bench.measure_alone(WHO, |n| {
                for _ in 0..n {
                    black_box(traces.request.clone().attach());
                }
            });
        }
        "otlp_encode_1000_spans" => encode_1000(bench),
        "bytes_per_span" => {
            let traces = Traces::new(Sampler::AlwaysOn, Do::Keep, 2048);
            let some = || {
                traces.spans(BLOCK, &traces.request);
                traces.flush();
            };
            some();
            let before = resident();
            (0..200).for_each(|_| some());
            assert!(KEPT.lock().unwrap().len() == 201 * BLOCK);
            bench.print(WHO, (resident() - before) / (200 * BLOCK) as f64);
        }
        _ => (),
    }
}
