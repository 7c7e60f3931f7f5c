// bench: the peer client_golang: the same work as workload.h, by the same rules. Called as PROGRAM ROW BATCH_MS BATCHES
// THREADS; prints one line a batch, "ROW WHO VALUE". A row that it does not know prints nothing.
package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

const (
	who      = "client_golang"
	lists    = 1000
	values   = 16384
	families = 100
	turns    = 16
)

var (
	methods = []string{"GET", "POST", "PUT", "DELETE", "PATCH"}
	routes  = []string{
		"/", "/healthz", "/metrics", "/login", "/logout", "/api/v1/orders", "/api/v1/orders/{id}",
		"/api/v1/orders/{id}/items", "/api/v1/items", "/api/v1/items/{id}", "/api/v1/users", "/api/v1/users/{id}",
		"/api/v1/users/{id}/orders", "/api/v1/carts", "/api/v1/carts/{id}", "/api/v1/search", "/api/v1/payments",
		"/api/v1/payments/{id}", "/api/v1/invoices", "/api/v1/invoices/{id}",
	}
	codes  = []string{"200", "201", "204", "301", "304", "400", "401", "404", "500", "503"}
	bounds = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
)

func next(state *uint64) uint64 {
	*state += 0x9e3779b97f4a7c15
	z := *state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func shuffle(count int, seed uint64) []int {
	order := make([]int, count)
	for i := range order {
		order[i] = i
	}
	for i := count - 1; i > 0; i-- {
		j := int(next(&seed) % uint64(i+1))
		order[i], order[j] = order[j], order[i]
	}
	return order
}

func labelLists() [][3]string {
	all := make([][3]string, lists)
	for k, i := range shuffle(lists, 1) {
		all[k] = [3]string{methods[i%5], routes[i/5%20], codes[i/100]}
	}
	return all
}

func seconds(lowest, highest float64) []float64 {
	all := make([]float64, values)
	seed := uint64(2)
	for i := range all {
		u := float64(next(&seed)>>11) / 9007199254740992.0
		all[i] = math.Floor(lowest*math.Pow(highest/lowest, u)) / 1e9
	}
	return all
}

func series(i int) (string, string, string) {
	return methods[i%4], fmt.Sprintf("/api/v1/orders/%02d", i/20), codes[i/4%5]
}

type bench struct {
	row              string
	batch            time.Duration
	batches, threads int
}

func require(what bool, text string) {
	if !what {
		fmt.Fprintln(os.Stderr, "bench: client_golang:", text)
		os.Exit(1)
	}
}

func (b bench) print(value float64) {
	fmt.Printf("%s %s %.4f\n", b.row, who, value)
}

// The time that the loops take side by side, from the first one's start to the last one's end.
func (b bench) run(loop func(count int), count int) time.Duration {
	if b.threads == 1 {
		began := time.Now()
		loop(count)
		return time.Since(began)
	}
	var ready, done sync.WaitGroup
	began := make([]time.Time, b.threads)
	ended := make([]time.Time, b.threads)
	release := make(chan struct{})
	for i := range b.threads {
		ready.Add(1)
		done.Add(1)
		go func() {
			defer done.Done()
			loop(1)
			ready.Done()
			<-release
			began[i] = time.Now()
			loop(count/b.threads + 1)
			ended[i] = time.Now()
		}()
	}
	ready.Wait()
	close(release)
	done.Wait()
	return slices.MaxFunc(ended, time.Time.Compare).Sub(slices.MinFunc(began, time.Time.Compare))
}

func (b bench) measure(loop func(count int)) {
	count := 1024
	took := b.run(loop, count)
	for ; took < b.batch/4; took = b.run(loop, count) {
		count *= 2
	}
	count = int(float64(count)*float64(b.batch)/float64(took)) + 1
	for range b.batches {
		b.print(float64(b.run(loop, count).Nanoseconds()) / float64(count))
	}
}

func (b bench) measureOnce(once func() time.Duration) {
	once()
	for range b.batches {
		var all []float64
		began := time.Now()
		for len(all) < 5 || time.Since(began) < b.batch && len(all) < 100000 {
			all = append(all, float64(once().Nanoseconds()))
		}
		slices.Sort(all)
		b.print((all[(len(all)-1)/2] + all[len(all)/2]) / 2)
	}
}

func (b bench) export(count int, snapshot, text bool) {
	registry := prometheus.NewRegistry()
	each := count / families
	var all []prometheus.Counter
	for f := range families {
		vec := prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: fmt.Sprintf("bench_requests_%03d_total", f),
			Help: fmt.Sprintf("Requests of family %d.", f),
		}, []string{"method", "route", "code"})
		registry.MustRegister(vec)
		for i := range each {
			counter := vec.WithLabelValues(series(i))
			counter.Add(float64(1000000 + 7919*i))
			all = append(all, counter)
		}
	}
	var buffer bytes.Buffer
	b.measureOnce(func() time.Duration {
		for i, counter := range all {
			counter.Add(float64(1 + i%each%7))
		}
		began := time.Now()
		gathered, err := registry.Gather()
		took := time.Since(began)
		require(err == nil && len(gathered) == families, "families are missing")
		if !text {
			return took
		}
		if !snapshot {
			began = time.Now()
		}
		buffer.Reset()
		encoder := expfmt.NewEncoder(&buffer, expfmt.NewFormat(expfmt.TypeTextPlain))
		for _, family := range gathered {
			require(encoder.Encode(family) == nil, "no text")
		}
		took = time.Since(began)
		require(buffer.Len() > 50*count, "the text is too short")
		return took
	})
}

func (b bench) many(count int) {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bench_many_total", Help: "Many."}, []string{"id"})
	all := make([]prometheus.Counter, max(count, 1000))
	for i, at := range shuffle(len(all), 3) {
		if count == 1 {
			at = i
		}
		all[at] = vec.WithLabelValues(strconv.Itoa(i % count))
	}
	loop := func(n int) {
		for done := 0; done < n; done += len(all) {
			for _, counter := range all[:min(len(all), n-done)] {
				counter.Inc()
			}
		}
	}
	loop(len(all)) // first uses are another row's
	b.measure(loop)
}

func (b bench) records(opts prometheus.HistogramOpts, lowest, highest float64, turns int) {
	opts.Name, opts.Help = "bench_seconds", "Seconds."
	vec := prometheus.NewHistogramVec(opts, []string{"method"})
	observers := make([]prometheus.Observer, turns)
	for i := range observers {
		observers[i] = vec.WithLabelValues(fmt.Sprint("m", i))
	}
	all := seconds(lowest, highest)
	if turns == 1 {
		one := observers[0]
		b.measure(func(n int) {
			for i := range n {
				one.Observe(all[i%values])
			}
		})
		return
	}
	b.measure(func(n int) {
		for i := range n {
			observers[i%turns].Observe(all[i%values])
		}
	})
}

// Each tenant has a series of its own: there is no "other".
func (b bench) tenants(count int, skewed bool) {
	const draws = 1 << 20
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bench_requests_total", Help: "Requests."},
		[]string{"method", "code", "tenant"})
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprintf("tenant-%05d", i)
		vec.WithLabelValues("GET", "200", names[i])
	}
	all := make([]string, draws)
	seed := uint64(4)
	if skewed {
		seed = 5
	}
	for i := range all {
		drawn := next(&seed)
		if skewed {
			all[i] = names[int(math.Pow(float64(count), float64(drawn>>11)/9007199254740992.0))-1]
		} else {
			all[i] = names[drawn%uint64(count)]
		}
	}
	b.measure(func(n int) {
		for i := range n {
			vec.WithLabelValues("GET", "200", all[i%draws]).Inc()
		}
	})
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

func (b bench) seriesBytes() {
	const count = 100000
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bench_requests_total", Help: "Requests."},
		[]string{"method", "route", "code"})
	before := resident()
	for i := range count {
		vec.WithLabelValues(series(i)).Inc()
	}
	b.print((resident() - before) / count)
	runtime.KeepAlive(vec)
}

func main() {
	require(len(os.Args) == 5, "call me as PROGRAM ROW BATCH_MS BATCHES THREADS")
	ms, err1 := strconv.Atoi(os.Args[2])
	batches, err2 := strconv.Atoi(os.Args[3])
	threads, err3 := strconv.Atoi(os.Args[4])
	require(err1 == nil && err2 == nil && err3 == nil && ms > 0 && threads > 0, "numbers are needed")
	b := bench{os.Args[1], time.Duration(ms) * time.Millisecond, batches, threads}
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bench_adds_total", Help: "Adds."},
		[]string{"method", "route", "code"})
	explicit := prometheus.HistogramOpts{Buckets: bounds}

	switch b.row {
	case "counter_add", "counter_add_static":
		counter := vec.WithLabelValues("GET", "/", "200")
		b.measure(func(n int) {
			for range n {
				counter.Inc()
			}
		})
	case "counter_add_labels":
		all := labelLists()
		b.measure(func(n int) {
			for done := 0; done < n; done += lists {
				for k := range min(lists, n-done) {
					vec.WithLabelValues(all[k][0], all[k][1], all[k][2]).Inc()
				}
			}
		})
	case "counter_add_tenant":
		b.tenants(10, false)
	case "counter_add_tenant_100k":
		b.tenants(100000, true)
	case "gauge_set":
		gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "bench_level", Help: "Level."})
		b.measure(func(n int) {
			for i := range n {
				gauge.Set(float64(i))
			}
		})
	case "histogram_explicit":
		b.records(explicit, 1e6, 2e10, 1)
	case "histogram_explicit_16_series":
		b.records(explicit, 1e6, 2e10, turns)
	case "histogram_exponential":
		b.records(prometheus.HistogramOpts{NativeHistogramBucketFactor: 1.1}, 1e3, 6e10, 1)
	case "record_series_1":
		b.many(1)
	case "record_series_1k":
		b.many(1000)
	case "record_series_100k":
		b.many(100000)
	case "record_series_1m":
		b.many(1000000)
	case "snapshot_1k":
		b.export(1000, true, false)
	case "snapshot_10k":
		b.export(10000, true, false)
	case "snapshot_100k":
		b.export(100000, true, false)
	case "snapshot_1m":
		b.export(1000000, true, false)
	case "prometheus_text_1k":
		b.export(1000, true, true)
	case "prometheus_text_10k":
		b.export(10000, true, true)
	case "prometheus_text_100k":
		b.export(100000, true, true)
	case "prometheus_text_1m":
		b.export(1000000, true, true)
	case "prometheus_encode_10k":
		b.export(10000, false, true)
	case "bytes_per_series":
		b.seriesBytes()
	}
}
