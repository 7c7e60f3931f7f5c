// bench: the peer OpenTelemetry Go: its SDK with a batch processor, and its OTLP exporter with a client that only encodes.
// The same work as workload.h, by the same rules. Called as PROGRAM ROW BATCH_MS BATCHES THREADS; prints one line a batch,
// "ROW WHO VALUE". A row that it does not know prints nothing.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	proto_trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

const (
	who         = "opentelemetry-go"
	block       = 512
	flood       = 1000000
	slice       = 100
	turns       = 16
	traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
)

type bench struct {
	row     string
	batch   time.Duration
	batches int
}

func require(what bool, text string) {
	if !what {
		fmt.Fprintln(os.Stderr, "bench:", text)
		os.Exit(1)
	}
}

func (b bench) print(value float64) {
	fmt.Printf("%s %s %.4f\n", b.row, who, value)
}

func (b bench) measure(loop func(count int)) {
	count := 1024
	run := func() time.Duration {
		began := time.Now()
		loop(count)
		return time.Since(began)
	}
	took := run()
	for ; took < b.batch/4; took = run() {
		count *= 2
	}
	count = int(float64(count)*float64(b.batch)/float64(took)) + 1
	for range b.batches {
		b.print(float64(run().Nanoseconds()) / float64(count))
	}
}

func median(all []float64) float64 {
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// Blocks of operations: each is timed, and what puts things in order after it is not.
func (b bench) measureBlocks(loop func(count int), between func()) {
	for range 64 {
		loop(block)
		between()
	}
	for range b.batches {
		var all []float64
		batch := time.Now()
		for len(all) < 5 || time.Since(batch) < b.batch {
			began := time.Now()
			loop(block)
			all = append(all, float64(time.Since(began).Nanoseconds())/block)
			between()
		}
		b.print(median(all))
	}
}

func cpu() int64 {
	var usage syscall.Rusage
	require(syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil, "no rusage")
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// CPU time of all threads a span: a block, a millisecond of sleep, and so on.
func (b bench) measureCPU(loop func(count int), flush func()) {
	for batch := range b.batches + 1 {
		began, before, spans := time.Now(), cpu(), 0
		for time.Since(began) < b.batch {
			loop(block)
			spans += block
			time.Sleep(time.Millisecond)
		}
		flush()
		if batch != 0 {
			b.print(float64(cpu()-before) / float64(spans))
		}
	}
}

// A million spans, within a second or flat out. Prints how many were lost, or their share.
func (b bench) measureFlood(rate bool, loop func(count int), exported func() int64) {
	before := exported()
	for range b.batches {
		began := time.Now()
		for done := 0; done < flood; done += slice {
			for rate && time.Since(began).Nanoseconds() < int64(done)*1000 {
			}
			loop(slice)
		}
		took := time.Since(began)
		after := exported()
		lost := float64(flood - (after - before))
		before = after
		fmt.Fprintf(os.Stderr, "bench: %s: %.3f s, lost %.0f\n", who, took.Seconds(), lost)
		if !rate {
			lost *= 100.0 / flood
		}
		b.print(lost)
	}
}

// ---- exporters ----

type counting struct {
	spans atomic.Int64
	kept  []sdk.ReadOnlySpan
	keep  bool
}

func (c *counting) ExportSpans(_ context.Context, spans []sdk.ReadOnlySpan) error {
	c.spans.Add(int64(len(spans)))
	if c.keep {
		c.kept = append(c.kept, spans...)
	}
	return nil
}

func (c *counting) Shutdown(context.Context) error { return nil }

type encoder struct{ bytes int }

func (e *encoder) Start(context.Context) error { return nil }
func (e *encoder) Stop(context.Context) error  { return nil }
func (e *encoder) UploadTraces(_ context.Context, spans []*proto_trace.ResourceSpans) error {
	out, err := proto.Marshal(&collector.ExportTraceServiceRequest{ResourceSpans: spans})
	e.bytes = len(out)
	return err
}

// ---- spans ----

type traces struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	request  context.Context
	ids      []string
}

func start(sampler sdk.Sampler, exporter sdk.SpanExporter, queue int) *traces {
	provider := sdk.NewTracerProvider(
		sdk.WithSampler(sdk.ParentBased(sampler)),
		sdk.WithBatcher(exporter, sdk.WithMaxQueueSize(queue), sdk.WithBatchTimeout(100*time.Millisecond)))
	tracer := provider.Tracer("bench")
	request, _ := tracer.Start(context.Background(), "GET /orders/{id}")
	t := &traces{provider, tracer, request, nil}
	for i := range turns {
		t.ids = append(t.ids, fmt.Sprintf("42-%d", 1234500+i))
	}
	return t
}

func (t *traces) spans(count int, parent context.Context) {
	for i := range count {
		_, span := t.tracer.Start(parent, "orders.find_one")
		if span.IsRecording() {
			span.SetAttributes(attribute.String("order.id", t.ids[i%turns]), attribute.String("order.state", "accepted"),
				attribute.String("db.system", "postgresql"))
		}
		span.End()
	}
}

func (t *traces) flush() {
	require(t.provider.ForceFlush(context.Background()) == nil, "the flush failed")
}

func resident() float64 {
	runtime.GC()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	require(err == nil, "no smaps_rollup")
	for _, line := range strings.Split(string(text), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "Rss:" {
			kib, err := strconv.ParseFloat(fields[1], 64)
			require(err == nil, "no Rss")
			return kib * 1024
		}
	}
	require(false, "no Rss")
	return 0
}

func (b bench) encode() {
	const spans = 1000
	keeping := &counting{keep: true}
	t := start(sdk.AlwaysSample(), keeping, 2048)
	t.spans(spans, t.request)
	t.flush()
	require(len(keeping.kept) == spans, "there were no 1000 spans")
	client := &encoder{}
	exporter, err := otlptrace.New(context.Background(), client)
	require(err == nil, "no exporter")
	once := func() float64 {
		began := time.Now()
		require(exporter.ExportSpans(context.Background(), keeping.kept) == nil, "no bytes")
		return float64(time.Since(began).Nanoseconds())
	}
	once()
	for range b.batches {
		var all []float64
		began := time.Now()
		for len(all) < 5 || time.Since(began) < b.batch {
			all = append(all, once())
		}
		b.print(median(all))
	}
	fmt.Fprintf(os.Stderr, "bench: %s: %d bytes\n", who, client.bytes)
}

func main() {
	require(len(os.Args) == 5, "call me as PROGRAM ROW BATCH_MS BATCHES THREADS")
	ms, err1 := strconv.Atoi(os.Args[2])
	batches, err2 := strconv.Atoi(os.Args[3])
	require(err1 == nil && err2 == nil && ms > 0, "numbers are needed")
	b := bench{os.Args[1], time.Duration(ms) * time.Millisecond, batches}
	null := &counting{}

	switch b.row {
	case "span_sampled", "span_sampled_no_tsc":
		t := start(sdk.AlwaysSample(), null, 2048)
		b.measureBlocks(func(n int) { t.spans(n, t.request) }, t.flush)
	case "span_unsampled":
		t := start(sdk.NeverSample(), null, 2048)
		b.measure(func(n int) { t.spans(n, t.request) })
	case "span_unsampled_root":
		t := start(sdk.NeverSample(), null, 2048)
		b.measure(func(n int) { t.spans(n, context.Background()) })
	case "span_cpu_total":
		exporter, err := otlptrace.New(context.Background(), &encoder{})
		require(err == nil, "no exporter")
		t := start(sdk.AlwaysSample(), exporter, 65536)
		b.measureCPU(func(n int) { t.spans(n, t.request) }, t.flush)
	case "span_flood", "span_flood_default":
		queue := 2048
		if b.row == "span_flood" {
			queue = flood + 1
		}
		t := start(sdk.AlwaysSample(), null, queue)
		b.measureFlood(b.row == "span_flood", func(n int) { t.spans(n, t.request) }, func() int64 {
			t.flush()
			return null.spans.Load()
		})
	case "extract_inject":
		in, out := propagation.MapCarrier{"traceparent": traceparent}, propagation.MapCarrier{}
		b.measure(func(n int) {
			for range n {
				ctx := propagation.TraceContext{}.Extract(context.Background(), in)
				propagation.TraceContext{}.Inject(ctx, out)
			}
		})
		require(out["traceparent"] == traceparent, "what went out is not what came in")
	case "ctx_attach_detach": // a context is handed on in Go: to make one with the span is the nearest
		t := start(sdk.AlwaysSample(), null, 2048)
		span := trace.SpanFromContext(t.request)
		b.measure(func(n int) {
			for range n {
				runtime.KeepAlive(trace.ContextWithSpan(context.Background(), span))
			}
		})
	case "otlp_encode_1000_spans":
		b.encode()
	case "bytes_per_span":
		keeping := &counting{keep: true}
		t := start(sdk.AlwaysSample(), keeping, 2048)
		t.spans(block, t.request)
		t.flush()
		before := resident()
		for range 200 {
			t.spans(block, t.request)
			t.flush()
		}
		require(len(keeping.kept) == 201*block, "spans are missing")
		b.print((resident() - before) / (200 * block))
		runtime.KeepAlive(keeping)
	}
}
