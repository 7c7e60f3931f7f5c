// bench: the peer golang-jwt: the tokens of tokens.h, checked as weir's verifier does: signature, exp, iss, aud, tenant. It has
// no cache. Called as PROGRAM ROW BATCH_MS BATCHES THREADS; prints one line a batch, "ROW WHO VALUE". A row that it does not
// know prints nothing.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const who = "golang-jwt"

var algorithms = map[string]string{"jwt_hs256": "HS256", "jwt_rs256": "RS256", "jwt_es256": "ES256", "jwt_eddsa": "EdDSA"}

type bench struct {
	row              string
	batch            time.Duration
	batches, threads int
}

type claims struct {
	Tenant string `json:"tenant"`
	Scope  string `json:"scope"`
	jwt.RegisteredClaims
}

func require(what bool, text string) {
	if !what {
		fmt.Fprintln(os.Stderr, "bench: golang-jwt:", text)
		os.Exit(1)
	}
}

// The time that the loops take side by side, from the first one's start to the last one's end.
func (b bench) run(loop func(count int), count int) time.Duration {
	if b.threads == 1 {
		began := time.Now()
		loop(count)
		return time.Since(began)
	}
	var ready, done sync.WaitGroup
	began, ended := make([]time.Time, b.threads), make([]time.Time, b.threads)
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
	count := 64
	took := b.run(loop, count)
	for ; took < b.batch/4; took = b.run(loop, count) {
		count *= 2
	}
	count = int(float64(count)*float64(b.batch)/float64(took)) + 1
	for range b.batches {
		fmt.Printf("%s %s %.4f\n", b.row, who, float64(b.run(loop, count).Nanoseconds())/float64(count))
	}
}

func read(name string) []byte {
	program, err := os.Executable()
	require(err == nil, "where am I?")
	text, err := os.ReadFile(filepath.Join(filepath.Dir(program), "jwt", name))
	require(err == nil, "no folder jwt with keys and tokens: run the program tokens")
	return text
}

func key(algorithm string) any {
	text := read(algorithm + ".key")
	var key any
	var err error
	switch algorithm {
	case "HS256":
		key = text
	case "RS256":
		key, err = jwt.ParseRSAPublicKeyFromPEM(text)
	case "ES256":
		key, err = jwt.ParseECPublicKeyFromPEM(text)
	case "EdDSA":
		key, err = jwt.ParseEdPublicKeyFromPEM(text)
	}
	require(err == nil, "not a key")
	return key
}

func main() {
	require(len(os.Args) == 5, "call me as PROGRAM ROW BATCH_MS BATCHES THREADS")
	ms, err1 := strconv.Atoi(os.Args[2])
	batches, err2 := strconv.Atoi(os.Args[3])
	threads, err3 := strconv.Atoi(os.Args[4])
	require(err1 == nil && err2 == nil && err3 == nil && ms > 0 && threads > 0, "numbers are needed")
	b := bench{os.Args[1], time.Duration(ms) * time.Millisecond, batches, threads}

	algorithm, known := algorithms[b.row]
	if !known {
		return
	}
	key, token := key(algorithm), string(read(algorithm+".token"))
	find := func(token *jwt.Token) (any, error) {
		if token.Header["kid"] != "2026-11" {
			return nil, errors.New("unknown key")
		}
		return key, nil
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{algorithm}), jwt.WithIssuer("https://login.example.com/"),
		jwt.WithAudience("orders"), jwt.WithExpirationRequired())
	b.measure(func(n int) {
		for range n {
			var c claims
			_, err := parser.ParseWithClaims(token, &c, find)
			require(err == nil && c.Tenant == "tenant-00", "a good token was refused")
		}
	})
}
