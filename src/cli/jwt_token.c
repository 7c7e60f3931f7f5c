/* weir jwt: a token taken apart. See jwt_token.h. No data of its own. */
#include "jwt_token.h"

#include "base64url.h"
#include "command.h"
#include "duration.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool token_read(struct token *token, const char *who)
{
	const char *begin, *end;

	*token = (struct token){0};
	if (!whole_read(&token->input, who, "-", TOKEN_FILE_MAX))
		return false;
	begin = token->input.bytes + strspn(token->input.bytes, " \t\r\n");
	if (strncasecmp(begin, "Bearer ", 7) == 0)
		begin += 7 + strspn(begin + 7, " ");
	end = token->input.bytes + token->input.len;
	while (end > begin && strchr(" \t\r\n", end[-1]) != NULL)
		end--;
	token->text = begin;
	token->len = (size_t)(end - begin);
	if (token->len > 0)
		return true;
	complain(EXIT_REFUSED, who, "there is no token on standard input");
	token_end(token);
	return false;
}

static json_t *part(const char *text, size_t len)
{
	char *bytes = malloc(len + 1);
	json_t *json = NULL;
	size_t size;

	if (bytes != NULL && base64url_decode(bytes, &size, text, len))
		json = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, NULL);
	free(bytes);
	if (json_is_object(json))
		return json;
	json_decref(json);
	return NULL;
}

bool token_split(struct token *token, const char **why)
{
	size_t dots = 0, at[5] = {0};

	for (size_t i = 0; i < token->len; i++)
		if (token->text[i] == '.' && ++dots < 5)
			at[dots] = i + 1;
	token->encrypted = dots == 4;
	*why = "it has not three parts with dots between";
	if (dots != 2 && dots != 4)
		return false;
	token->header = part(token->text, at[1] - 1);
	*why = "its header is not base64url of a JSON object";
	if (token->header == NULL || token->encrypted)
		return token->header != NULL;
	token->payload = at[1];
	token->payload_len = at[2] - 1 - at[1];
	token->claims = part(token->text + token->payload, token->payload_len);
	*why = "its payload is not base64url of a JSON object";
	return token->claims != NULL;
}

void token_end(struct token *token)
{
	json_decref(token->header);
	json_decref(token->claims);
	whole_free(&token->input);
	*token = (struct token){0};
}

/* ---- for a terminal ---------------------------------------------------------------------------------------------------- */
static bool moves_terminal(uint32_t c)
{
	return (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || c == 0x061c;
}

/* Of valid UTF-8, which jansson's is. */
static uint32_t character(const char **text)
{
	const unsigned char *p = (const unsigned char *)*text;
	unsigned more = *p < 0x80 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
	uint32_t c = more == 0 ? *p : *p & (0x3fU >> more);

	for (unsigned i = 1; i <= more; i++)
		c = c << 6 | (p[i] & 0x3f);
	*text += 1 + more;
	return c;
}

bool json_print(const json_t *json)
{
	char *text = json_dumps(json, JSON_INDENT(2));

	if (text == NULL)
		return false;
	for (const char *p = text, *from = p; *p != '\0'; from = p) {
		uint32_t c = character(&p);

		if (moves_terminal(c))
			printf("\\u%04x", c);
		else
			fwrite(from, 1, (size_t)(p - from), stdout);
	}
	putchar('\n');
	free(text);
	return true;
}

json_t *json_dates(const json_t *claims, int64_t now)
{
	static const char *const names[] = {"auth_time", "iat", "nbf", "exp", "updated_at"};
	json_t *dates = json_object();

	for (size_t i = 0; dates != NULL && i < sizeof names / sizeof names[0]; i++) {
		const json_t *value = json_object_get(claims, names[i]);
		double at = json_number_value(value);
		char text[96];

		if (!json_is_number(value))
			continue;
		duration_date(text, sizeof text, fabs(at) < 1e15 ? (int64_t)at : INT64_MAX, now);
		json_object_set_new(dates, names[i], json_string(text));
	}
	return dates;
}
