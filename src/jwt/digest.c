/* weir-jwt: SHA-256. See digest.h. Layer: jwt, pure. */
#define OPENSSL_SUPPRESS_DEPRECATED /* SHA256_Init and its like: without them each hash would allocate */
#include "digest.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>

enum { BLOCK = 64 };

void weir__jwt_digest(struct weir_str text, uint64_t digest[4])
{
	unsigned char bytes[SHA256_DIGEST_LENGTH];
	SHA256_CTX c;

	SHA256_Init(&c);
	SHA256_Update(&c, text.ptr, text.len);
	SHA256_Final(bytes, &c);
	memcpy(digest, bytes, sizeof bytes);
	OPENSSL_cleanse(&c, sizeof c);
}

/* RFC 2104: H(key ^ pad || text). */
static void half(const unsigned char *key, unsigned char pad, const void *text, size_t len, unsigned char *out)
{
	unsigned char block[BLOCK];
	SHA256_CTX c;

	for (int i = 0; i < BLOCK; i++)
		block[i] = key[i] ^ pad;
	SHA256_Init(&c);
	SHA256_Update(&c, block, BLOCK);
	SHA256_Update(&c, text, len);
	SHA256_Final(out, &c);
	OPENSSL_cleanse(block, sizeof block);
	OPENSSL_cleanse(&c, sizeof c);
}

void weir__jwt_digest_keyed(struct weir_str key, struct weir_str text, char hex[16])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char block[BLOCK] = {0}, inner[SHA256_DIGEST_LENGTH], outer[SHA256_DIGEST_LENGTH];
	uint64_t digest[4];

	if (key.len > BLOCK) {
		weir__jwt_digest(key, digest);
		memcpy(block, digest, sizeof digest);
		OPENSSL_cleanse(digest, sizeof digest);
	} else {
		memcpy(block, key.ptr, key.len);
	}
	half(block, 0x36, text.ptr, text.len, inner);
	half(block, 0x5c, inner, sizeof inner, outer);
	for (int i = 0; i < 8; i++) {
		hex[2 * i] = digits[outer[i] >> 4];
		hex[2 * i + 1] = digits[outer[i] & 15];
	}
	OPENSSL_cleanse(block, sizeof block);
	OPENSSL_cleanse(inner, sizeof inner);
	OPENSSL_cleanse(outer, sizeof outer);
}
