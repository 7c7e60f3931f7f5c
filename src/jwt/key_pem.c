/* weir-jwt: a public key out of a PEM. See key.h. Layer: jwt. Nothing here ever asks for a password: PEM's armour is taken off by
 * itself, and what is locked is refused. */
#define _GNU_SOURCE
#include "key.h"

#include <weir/abi/private.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

enum { PEM_MOST = 1 << 20 };

static const char begin[] = "-----BEGIN ";

static EVP_PKEY *refuse(int *error, int why, const char *text)
{
	*error = why;
	weir_private_log(WEIR_LOG_ERROR, "jwt: a PEM is refused: %s", text);
	return NULL;
}

static EVP_PKEY *from_der(const char *name, const char *header, const unsigned char *der, long len, int *error)
{
	const unsigned char *at = der;
	EVP_PKEY *pkey;

	if (header[0] != '\0')
		return refuse(error, WEIR_EINVAL, "it is locked by a password, or has other headers");
	if (strstr(name, "PRIVATE KEY") != NULL)
		return refuse(error, WEIR_EINVAL, "a private key, where the public one is wanted");
	if (strcmp(name, "PUBLIC KEY") == 0)
		pkey = d2i_PUBKEY(NULL, &at, len);
	else if (strcmp(name, "RSA PUBLIC KEY") == 0)
		pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, len);
	else
		return refuse(error, WEIR_EUNSUPPORTED, "it is neither PUBLIC KEY nor RSA PUBLIC KEY");
	if (pkey == NULL) {
		*error = weir__jwt_crypto_error(WEIR_EINVAL);
		return *error == WEIR_ENOMEM ? NULL : refuse(error, WEIR_EINVAL, "it holds no public key that libcrypto can read");
	}
	if (at != der + len) {
		EVP_PKEY_free(pkey);
		return refuse(error, WEIR_EINVAL, "there are bytes behind the key");
	}
	return pkey;
}

EVP_PKEY *weir__jwt_key_from_pem(struct weir_str pem, int *error)
{
	const char *first = pem.ptr != NULL ? memmem(pem.ptr, pem.len, begin, sizeof begin - 1) : NULL;
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	EVP_PKEY *pkey = NULL;
	long len = 0;
	BIO *bio;

	*error = WEIR_OK;
	if (first == NULL)
		return refuse(error, WEIR_EINVAL, "there is no BEGIN in it");
	if (pem.len > PEM_MOST)
		return refuse(error, WEIR_ELIMIT, "it is larger than 1 MiB");
	if (memmem(first + 1, pem.len - (size_t)(first + 1 - pem.ptr), begin, sizeof begin - 1) != NULL)
		return refuse(error, WEIR_EINVAL, "there is more than one thing in it");
	bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
	if (bio == NULL) {
		*error = WEIR_ENOMEM;
		return NULL;
	}
	if (PEM_read_bio(bio, &name, &header, &der, &len) == 1)
		pkey = from_der(name, header, der, len, error);
	else if ((*error = weir__jwt_crypto_error(WEIR_EINVAL)) == WEIR_EINVAL)
		refuse(error, WEIR_EINVAL, "what it has is no PEM");
	BIO_free(bio);
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_clear_free(der, (size_t)len); /* it may have been a private key */
	return pkey;
}
