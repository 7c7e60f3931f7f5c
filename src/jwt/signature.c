/* weir-jwt: one signature checked with one key. See key.h. Layer: jwt. What was made on the way is wiped: the right MAC of a token
 * that has a wrong one is worth a token. */
#include "ecdsa_der.h"
#include "key.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

enum { FRAMES = 8192 };

/* before: the newest error of the queue before libcrypto was asked: it is the host's. */
static enum weir_jwt_result no(unsigned long before)
{
	if (ERR_peek_last_error() == before)
		return WEIR_JWT_BAD_SIGNATURE;
	return weir__jwt_crypto_error(WEIR_OK) == WEIR_ENOMEM ? WEIR_JWT_NO_MEMORY : WEIR_JWT_BAD_SIGNATURE;
}

static enum weir_jwt_result check_mac(const struct weir__jwt_key *key, const uint8_t *signature, const void *bytes, size_t len)
{
	EVP_MAC_CTX *context = EVP_MAC_CTX_dup(key->mac);
	enum weir_jwt_result result = WEIR_JWT_NO_MEMORY;
	uint8_t right[EVP_MAX_MD_SIZE];
	size_t right_len;

	if (context != NULL && EVP_MAC_update(context, bytes, len) == 1 &&
	    EVP_MAC_final(context, right, &right_len, sizeof right) == 1 && right_len == key->signature_len)
		result = CRYPTO_memcmp(right, signature, right_len) == 0 ? WEIR_JWT_OK : WEIR_JWT_BAD_SIGNATURE;
	EVP_MAC_CTX_free(context);
	OPENSSL_cleanse(right, sizeof right);
	return result;
}

/* libcrypto's Ed25519 leaves what it computed in its frame, and that is half of a right signature. */
__attribute__((noinline)) static void wipe_frames(void)
{
	uint8_t below[FRAMES];

	OPENSSL_cleanse(below, sizeof below);
}

static enum weir_jwt_result check_whole(const struct weir__jwt_key *key, const uint8_t *signature, const void *bytes, size_t len)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	enum weir_jwt_result result = WEIR_JWT_NO_MEMORY;
	unsigned long before = ERR_peek_last_error();

	if (context != NULL && EVP_MD_CTX_copy_ex(context, key->whole) == 1)
		result = EVP_DigestVerify(context, signature, key->signature_len, bytes, len) == 1 ? WEIR_JWT_OK : no(before);
	EVP_MD_CTX_free(context);
	wipe_frames();
	return result;
}

/* The context is made for the call, since a used one keeps the last bytes that it was given; letting it go wipes them. */
static bool digest(const struct weir__jwt_key *key, const void *bytes, size_t len, uint8_t out[EVP_MAX_MD_SIZE])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool done = context != NULL && EVP_DigestInit_ex2(context, key->hash, NULL) == 1 &&
	            EVP_DigestUpdate(context, bytes, len) == 1 && EVP_DigestFinal_ex(context, out, NULL) == 1;

	EVP_MD_CTX_free(context);
	return done;
}

static enum weir_jwt_result check_digest(const struct weir__jwt_key *key, const uint8_t *signature, const void *bytes, size_t len)
{
	const struct weir__jwt_alg_facts *facts = weir__jwt_alg_facts(key->alg);
	enum weir_jwt_result result = WEIR_JWT_NO_MEMORY;
	uint8_t der[WEIR__ECDSA_DER_MOST], hash[EVP_MAX_MD_SIZE];
	size_t signature_len = key->signature_len;
	unsigned long before = ERR_peek_last_error();
	EVP_PKEY_CTX *context;

	if (facts->family == WEIR__JWT_EC) {
		signature_len = weir__ecdsa_der(signature, facts->coordinate, der);
		if (signature_len == 0)
			return WEIR_JWT_BAD_SIGNATURE;
		signature = der;
	}
	context = EVP_PKEY_CTX_dup(key->verify);
	if (context != NULL && digest(key, bytes, len, hash))
		result = EVP_PKEY_verify(context, signature, signature_len, hash, facts->hash_len) == 1 ? WEIR_JWT_OK : no(before);
	EVP_PKEY_CTX_free(context);
	OPENSSL_cleanse(der, sizeof der);
	OPENSSL_cleanse(hash, sizeof hash);
	return result;
}

enum weir_jwt_result weir__jwt_key_verify(const struct weir__jwt_key *key, const uint8_t *signature, size_t signature_len,
                                          const void *signed_bytes, size_t signed_len)
{
	if (signature_len != key->signature_len)
		return WEIR_JWT_BAD_SIGNATURE;
	switch (weir__jwt_alg_facts(key->alg)->family) {
	case WEIR__JWT_HMAC:
		return check_mac(key, signature, signed_bytes, signed_len);
	case WEIR__JWT_ED:
		return check_whole(key, signature, signed_bytes, signed_len);
	default:
		return check_digest(key, signature, signed_bytes, signed_len);
	}
}
