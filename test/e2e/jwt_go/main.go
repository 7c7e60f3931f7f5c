// Tokens of golang-jwt, for jwt_interop.py.
//
//	jwt-go sign DIR             makes a key of each algorithm; its public half is DIR/ALG.pem, or DIR/ALG.secret; prints "ALG TOKEN"
//	jwt-go verify ALG KEYFILE   the tokens on standard input, a line each: prints "ok SUBJECT" or "no WHY"
package main

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var algorithms = []string{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "jwt-go:", err)
		os.Exit(1)
	}
	return value
}

func newKey(alg string) (any, crypto.PublicKey) {
	switch alg[:2] {
	case "HS":
		secret := make([]byte, 64)
		must(rand.Read(secret))
		return secret, nil
	case "RS", "PS":
		key := must(rsa.GenerateKey(rand.Reader, 2048))
		return key, key.Public()
	case "ES":
		curves := map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}
		key := must(ecdsa.GenerateKey(curves[alg], rand.Reader))
		return key, key.Public()
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(public, err)
	return private, public
}

func sign(dir string) {
	for _, alg := range algorithms {
		key, public := newKey(alg)
		if public == nil {
			must(0, os.WriteFile(filepath.Join(dir, alg+".secret"), key.([]byte), 0o600))
		} else {
			der := must(x509.MarshalPKIXPublicKey(public))
			text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
			must(0, os.WriteFile(filepath.Join(dir, alg+".pem"), text, 0o600))
		}
		for i := range 3 {
			token := jwt.NewWithClaims(jwt.GetSigningMethod(alg), jwt.MapClaims{
				"sub": fmt.Sprintf("user-%d", i), "exp": time.Now().Add(time.Hour).Unix(), "text": "ä <&> \u2028",
			})
			token.Header["kid"] = "go-" + alg
			fmt.Println(alg, must(token.SignedString(key)))
		}
	}
}

func verify(alg, file string) {
	bytes := must(os.ReadFile(file))
	var key any = bytes
	if block, _ := pem.Decode(bytes); block != nil {
		key = must(x509.ParsePKIXPublicKey(block.Bytes))
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{alg}), jwt.WithStrictDecoding())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		token, err := parser.Parse(lines.Text(), func(*jwt.Token) (any, error) { return key, nil })
		if err != nil {
			fmt.Println("no", strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		fmt.Println("ok", must(token.Claims.GetSubject()))
	}
}

func main() {
	switch {
	case len(os.Args) == 3 && os.Args[1] == "sign":
		sign(os.Args[2])
	case len(os.Args) == 4 && os.Args[1] == "verify":
		verify(os.Args[2], os.Args[3])
	default:
		fmt.Fprintln(os.Stderr, "usage: jwt-go sign DIR | verify ALG KEYFILE")
		os.Exit(2)
	}
}
