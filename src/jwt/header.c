/* weir-jwt: a JWS's header. See header.h. Layer: jwt, pure. */
#define _GNU_SOURCE
#include "header.h"

#include "json.h"

#include <string.h>
#include <strings.h>

enum { DEPTH = 4, MEMBERS = 64 };

/* What asks for more: other rules (crit, b64, zip), or a key that the token's author chose (the rest). A thumbprint, x5t, only names a
 * key: it is not read, and does no harm. */
static const char *const refused[] = {"crit", "b64", "zip", "jku", "jwk", "x5u", "x5c"};

static const char *without_application(const char *type)
{
	return strncasecmp(type, "application/", 12) == 0 ? type + 12 : type;
}

static bool is_type(const char *type, const char *wanted)
{
	return strcasecmp(without_application(type), without_application(wanted)) == 0;
}

/* A token within the token: what it says is not what was signed for us to read. */
static enum weir_jwt_result check_content(const json_t *content)
{
	if (content == NULL)
		return WEIR_JWT_OK;
	if (!json_is_string(content))
		return WEIR_JWT_MALFORMED;
	if (is_type(json_string_value(content), "JWE"))
		return WEIR_JWT_ENCRYPTED;
	return is_type(json_string_value(content), "JWT") || is_type(json_string_value(content), "JWS") ||
	               is_type(json_string_value(content), "JOSE") || is_type(json_string_value(content), "JOSE+JSON")
	           ? WEIR_JWT_CRIT
	           : WEIR_JWT_OK;
}

static enum weir_jwt_result check_type(const json_t *said, const char *wanted)
{
	if (said != NULL && !json_is_string(said))
		return WEIR_JWT_MALFORMED;
	if (wanted == NULL)
		return WEIR_JWT_OK;
	return said != NULL && is_type(json_string_value(said), wanted) ? WEIR_JWT_OK : WEIR_JWT_TYPE;
}

static enum weir_jwt_result look_at(struct weir__jws_header *header, const char *type)
{
	const json_t *alg = json_object_get(header->object, "alg"), *kid = json_object_get(header->object, "kid");
	enum weir_jwt_result result;

	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (json_object_get(header->object, refused[i]) != NULL)
			return WEIR_JWT_CRIT;
	if (!json_is_string(alg) || (kid != NULL && !json_is_string(kid)))
		return WEIR_JWT_MALFORMED;
	header->alg = weir__jwt_alg_of(json_string_value(alg), json_string_length(alg));
	header->kid = json_string_value(kid);
	header->kid_len = json_string_length(kid);
	if (header->alg == WEIR__JWT_ALGS)
		return WEIR_JWT_ALG_NOT_ALLOWED;
	result = check_content(json_object_get(header->object, "cty"));
	return result == WEIR_JWT_OK ? check_type(json_object_get(header->object, "typ"), type) : result;
}

enum weir_jwt_result weir__jws_header_read(struct weir__jws_header *header, const char *text, size_t len, const char *type)
{
	enum weir_jwt_result result;

	switch (weir__json_read(&header->object, text, len, DEPTH, MEMBERS, 0)) {
	case WEIR__JSON_READ:
		break;
	case WEIR__JSON_NO_MEMORY:
		return WEIR_JWT_NO_MEMORY;
	default:
		return WEIR_JWT_MALFORMED;
	}
	result = look_at(header, type);
	if (result != WEIR_JWT_OK)
		weir__jws_header_free(header);
	return result;
}

void weir__jws_header_free(struct weir__jws_header *header)
{
	weir__json_free(header->object);
	header->object = NULL;
}
