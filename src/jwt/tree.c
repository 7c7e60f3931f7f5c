/* weir-jwt: JSON read in place. See tree.h. Layer: jwt, pure. Recursion goes as deep as WEIR__JWT_DEPTH. */
#include "tree.h"

#include <string.h>

struct reader {
	struct weir__jwt_tree *tree;
	unsigned char *base, *p, *end;
};

static bool read_value(struct reader *r, struct weir__jwt_node *node, unsigned depth);

static void skip_space(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
		r->p++;
}

static bool take(struct reader *r, char c)
{
	if (r->p >= r->end || *r->p != (unsigned char)c)
		return false;
	r->p++;
	return true;
}

static struct weir__jwt_node *add_node(struct reader *r)
{
	struct weir__jwt_node *node;

	if (r->tree->count == WEIR__JWT_NODES)
		return NULL;
	node = &r->tree->nodes[r->tree->count++];
	memset(node, 0, sizeof *node);
	return node;
}

/* ---- strings ----------------------------------------------------------------------------------------------------- */

static bool read_hex(struct reader *r, uint32_t *value)
{
	*value = 0;
	if (r->end - r->p < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		unsigned char c = *r->p++;

		if (c >= '0' && c <= '9')
			*value = *value << 4 | (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			*value = *value << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
		else
			return false;
	}
	return true;
}

/* Behind "\u": one character, of one escape or a pair. Surrogates alone are none, and NUL is refused. */
static bool read_unicode(struct reader *r, uint32_t *c)
{
	uint32_t low;

	if (!read_hex(r, c) || *c == 0 || (*c >= 0xdc00 && *c <= 0xdfff))
		return false;
	if (*c < 0xd800 || *c > 0xdbff)
		return true;
	if (!take(r, '\\') || !take(r, 'u') || !read_hex(r, &low) || low < 0xdc00 || low > 0xdfff)
		return false;
	*c = 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00);
	return true;
}

/* An escape is never shorter than what it stands for. */
static unsigned char *put_utf8(unsigned char *out, uint32_t c)
{
	if (c < 0x80) {
		*out++ = (unsigned char)c;
	} else if (c < 0x800) {
		*out++ = (unsigned char)(0xc0 | c >> 6);
		*out++ = (unsigned char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*out++ = (unsigned char)(0xe0 | c >> 12);
		*out++ = (unsigned char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (unsigned char)(0x80 | (c & 0x3f));
	} else {
		*out++ = (unsigned char)(0xf0 | c >> 18);
		*out++ = (unsigned char)(0x80 | (c >> 12 & 0x3f));
		*out++ = (unsigned char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (unsigned char)(0x80 | (c & 0x3f));
	}
	return out;
}

static bool read_escape(struct reader *r, unsigned char **out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	uint32_t c;

	if (r->p >= r->end || *r->p == '\0')
		return false;
	if (*r->p == 'u') {
		r->p++;
		if (!read_unicode(r, &c))
			return false;
		*out = put_utf8(*out, c);
		return true;
	}
	at = strchr(from, *r->p++);
	if (at == NULL)
		return false;
	*(*out)++ = (unsigned char)to[at - from];
	return true;
}

/* The length of the character at p, 2 to 4 bytes, by the Unicode standard's table 3-7; 0: none. */
static size_t utf8_length(const unsigned char *p, const unsigned char *end)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (*p >= 0xc2 && *p <= 0xdf)
		len = 2;
	else if (*p >= 0xe0 && *p <= 0xef)
		len = 3;
	else if (*p >= 0xf0 && *p <= 0xf4)
		len = 4;
	else
		return 0;
	if (*p == 0xe0)
		low = 0xa0;
	else if (*p == 0xed)
		high = 0x9f;
	else if (*p == 0xf0)
		low = 0x90;
	else if (*p == 0xf4)
		high = 0x8f;
	if ((size_t)(end - p) < len || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return len;
}

/* How many bytes stand for themselves. */
static size_t plain_length(const unsigned char *p, const unsigned char *end)
{
	const unsigned char *at = p;

	while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
		at++;
	return (size_t)(at - p);
}

static bool read_string(struct reader *r, uint32_t *at, uint32_t *len)
{
	unsigned char *out;

	if (!take(r, '"'))
		return false;
	out = r->p;
	*at = (uint32_t)(out - r->base);
	while (r->p < r->end && *r->p != '"') {
		size_t n = plain_length(r->p, r->end);

		if (n == 0 && *r->p == '\\') {
			r->p++;
			if (!read_escape(r, &out))
				return false;
			continue;
		}
		if (n == 0 && (*r->p < 0x20 || (n = utf8_length(r->p, r->end)) == 0))
			return false;
		if (out != r->p)
			memmove(out, r->p, n);
		out += n;
		r->p += n;
	}
	*len = (uint32_t)(out - r->base) - *at;
	return take(r, '"');
}

/* ---- the others -------------------------------------------------------------------------------------------------- */

static bool read_digits(struct reader *r)
{
	const unsigned char *first = r->p;

	while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
		r->p++;
	return r->p != first;
}

static bool read_number(struct reader *r, struct weir__jwt_node *node)
{
	const unsigned char *first = r->p;

	take(r, '-');
	if (!take(r, '0') && !read_digits(r))
		return false;
	if (take(r, '.') && !read_digits(r))
		return false;
	if (r->p < r->end && (*r->p | 0x20) == 'e') {
		r->p++;
		if (!take(r, '+'))
			take(r, '-');
		if (!read_digits(r))
			return false;
	}
	node->type = WEIR__JWT_NUMBER;
	node->at = (uint32_t)(first - r->base);
	node->len = (uint32_t)(r->p - first);
	return true;
}

static bool read_word(struct reader *r, struct weir__jwt_node *node, const char *word, enum weir__jwt_type type)
{
	size_t len = strlen(word);

	if ((size_t)(r->end - r->p) < len || memcmp(r->p, word, len) != 0)
		return false;
	node->type = type;
	node->at = (uint32_t)(r->p - r->base);
	node->len = (uint32_t)len;
	r->p += len;
	return true;
}

static bool read_array(struct reader *r, struct weir__jwt_node *node, unsigned depth)
{
	node->type = WEIR__JWT_ARRAY;
	r->p++;
	skip_space(r);
	if (take(r, ']'))
		return true;
	do {
		struct weir__jwt_node *item = add_node(r);

		if (item == NULL || !read_value(r, item, depth + 1))
			return false;
	} while (take(r, ','));
	return take(r, ']');
}

static bool read_member(struct reader *r, const struct weir__jwt_node *object, unsigned depth)
{
	struct weir__jwt_node *member = add_node(r);

	skip_space(r);
	if (member == NULL || !read_string(r, &member->key_at, &member->key_len))
		return false;
	/* its own next is not set yet, so that it is not found itself */
	for (const struct weir__jwt_node *other = object + 1; other < member; other = r->tree->nodes + other->next)
		if (other->key_len == member->key_len && memcmp(r->base + other->key_at, r->base + member->key_at, other->key_len) == 0)
			return false;
	skip_space(r);
	return take(r, ':') && read_value(r, member, depth + 1);
}

static bool read_object(struct reader *r, struct weir__jwt_node *node, unsigned depth)
{
	unsigned members = 0;

	node->type = WEIR__JWT_OBJECT;
	r->p++;
	skip_space(r);
	if (take(r, '}'))
		return true;
	do {
		if (members++ == WEIR__JWT_MEMBERS || !read_member(r, node, depth))
			return false;
	} while (take(r, ','));
	return take(r, '}');
}

static bool read_value(struct reader *r, struct weir__jwt_node *node, unsigned depth)
{
	bool ok;

	skip_space(r);
	if (r->p >= r->end || depth > WEIR__JWT_DEPTH)
		return false;
	switch (*r->p) {
	case '{':
		ok = read_object(r, node, depth);
		break;
	case '[':
		ok = read_array(r, node, depth);
		break;
	case '"':
		node->type = WEIR__JWT_STRING;
		ok = read_string(r, &node->at, &node->len);
		break;
	case 't':
		ok = read_word(r, node, "true", WEIR__JWT_TRUE);
		break;
	case 'f':
		ok = read_word(r, node, "false", WEIR__JWT_FALSE);
		break;
	case 'n':
		ok = read_word(r, node, "null", WEIR__JWT_NULL);
		break;
	default:
		ok = read_number(r, node);
	}
	skip_space(r);
	node->next = r->tree->count;
	return ok;
}

bool weir__jwt_tree_read(struct weir__jwt_tree *tree, char *bytes, size_t len)
{
	struct reader r = {tree, (unsigned char *)bytes, (unsigned char *)bytes, (unsigned char *)bytes + len};

	tree->bytes = bytes;
	tree->count = 0;
	if (len > UINT32_MAX)
		return false;
	return read_value(&r, add_node(&r), 1) && r.p == r.end;
}

/* ---- looking at it ----------------------------------------------------------------------------------------------- */

const struct weir__jwt_node *weir__jwt_tree_first(const struct weir__jwt_tree *tree, const struct weir__jwt_node *of)
{
	const struct weir__jwt_node *first = of + 1;

	if (of->type != WEIR__JWT_ARRAY && of->type != WEIR__JWT_OBJECT)
		return NULL;
	return first < tree->nodes + of->next ? first : NULL;
}

const struct weir__jwt_node *weir__jwt_tree_next(const struct weir__jwt_tree *tree, const struct weir__jwt_node *of,
                                                 const struct weir__jwt_node *now)
{
	return now->next < of->next ? tree->nodes + now->next : NULL;
}

const struct weir__jwt_node *weir__jwt_tree_member(const struct weir__jwt_tree *tree, const struct weir__jwt_node *of,
                                                   struct weir_str name)
{
	if (of->type != WEIR__JWT_OBJECT)
		return NULL;
	for (const struct weir__jwt_node *n = weir__jwt_tree_first(tree, of); n != NULL; n = weir__jwt_tree_next(tree, of, n))
		if (n->key_len == name.len && memcmp(tree->bytes + n->key_at, name.ptr, name.len) == 0)
			return n;
	return NULL;
}

const struct weir__jwt_node *weir__jwt_tree_item(const struct weir__jwt_tree *tree, const struct weir__jwt_node *of, size_t index)
{
	const struct weir__jwt_node *n;

	if (of->type != WEIR__JWT_ARRAY)
		return NULL;
	for (n = weir__jwt_tree_first(tree, of); n != NULL && index != 0; index--)
		n = weir__jwt_tree_next(tree, of, n);
	return n;
}

struct weir_str weir__jwt_tree_text(const struct weir__jwt_tree *tree, const struct weir__jwt_node *node)
{
	return weir_str_n(tree->bytes + node->at, node->len);
}
