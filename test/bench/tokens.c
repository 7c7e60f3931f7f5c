/* bench: makes the folder jwt that tokens.h tells of, beside this program: keys and a token of each algorithm, by libcrypto. */
#define _GNU_SOURCE
#include "tokens.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sys/stat.h>

static FILE *open_file(unsigned alg, const char *what)
{
	char path[4096], name[32];
	FILE *file;

	snprintf(name, sizeof name, "%s.%s", token_algs[alg], what);
	token_path(path, name);
	file = fopen(path, "we");
	bench_require(file != NULL, "the folder jwt cannot be written");
	return file;
}

static EVP_PKEY *key_new(unsigned alg)
{
	switch (alg) {
	case TOKEN_RS256: return EVP_RSA_gen(2048);
	case TOKEN_ES256: return EVP_EC_gen("P-256");
	default: return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	}
}

/* ES256: r and s, of 32 bytes each, in place of DER. */
static size_t raw_of(uint8_t *signature, size_t len)
{
	const uint8_t *at = signature;
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)len);

	bench_require(pair != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, 32) == 32 &&
	                  BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + 32, 32) == 32,
	              "no r and s");
	ECDSA_SIG_free(pair);
	return 64;
}

static void make(unsigned alg)
{
	char token[TOKEN_MOST];
	uint8_t signature[512];
	size_t at = token_begin(token, alg, "tenant-00", 0), len = sizeof signature;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY *key = key_new(alg);
	FILE *file = open_file(alg, "key");

	bench_require(key != NULL && ctx != NULL && PEM_write_PUBKEY(file, key) == 1, "no key");
	fclose(file);
	bench_require(EVP_DigestSignInit_ex(ctx, NULL, alg == TOKEN_EDDSA ? NULL : "SHA256", NULL, NULL, key, NULL) == 1 &&
	                  EVP_DigestSign(ctx, signature, &len, (const uint8_t *)token, at) == 1,
	              "no signature");
	if (alg == TOKEN_ES256)
		len = raw_of(signature, len);
	token[at++] = '.';
	token_base64url(token, at, signature, len);
	file = open_file(alg, "token");
	fputs(token, file);
	fclose(file);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
}

int main(void)
{
	char path[4096], token[TOKEN_MOST];
	FILE *file;

	token_path(path, "");
	mkdir(path, 0700);
	file = open_file(TOKEN_HS256, "key");
	fputs(TOKEN_SECRET, file);
	fclose(file);
	token_mint(token, "tenant-00", 0);
	file = open_file(TOKEN_HS256, "token");
	fputs(token, file);
	fclose(file);
	for (unsigned alg = TOKEN_RS256; alg < TOKEN_ALGS; alg++)
		make(alg);
	return 0;
}
