/* json.c - reads JSON (RFC 8259, strictly) into a bounded tree of values, and writes it
 *
 * Knows bytes, and nothing of what a document means. The text comes from strangers, so it is read
 * twice by the same code: the first reading checks all of it and counts, and needs no memory; then
 * the tree and its strings get one allocation of exactly their size, and the second reading fills
 * it. What is not JSON, or is too large, has cost nothing but time by then. There is no recursion:
 * the open arrays and objects are on a stack of JSON_DEPTH_MAX levels. */
#include "json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* Up to here, members are compared with each other, which takes no memory. */
	MEMBERS_COMPARED = 16,
};

struct json {
	size_t n;
	struct json_value tree[];	/* n values, the root first; then the bytes of strings */
};

/* An array or object that is open. While counting, there are no values: both pointers are NULL. */
struct level {
	enum json_type type;
	struct json_value *value;
	const struct json_value **tail;		/* where the next child is linked */
};

struct parser {
	const char *data;
	size_t len, at;
	struct json_error *error;
	size_t values, bytes;		/* so far, in this reading */
	size_t excess;			/* offset of the first value over JSON_VALUES_MAX */
	struct json_value *tree;	/* NULL while counting */
	char *strings;
	struct str key;			/* of the member whose value comes next */
	struct level levels[JSON_DEPTH_MAX];
	size_t depth;
};

static const char *const words[] = {
	[JSON_NULL] = "null",
	[JSON_FALSE] = "false",
	[JSON_TRUE] = "true",
};

/* The letters behind a backslash, and what they stand for. '/' may be read escaped, but is never written so. */
static const char escape_letters[] = "\"\\/bfnrt", escaped[] = "\"\\/\b\f\n\r\t";

/* Whether one of eight bytes is zero, by the borrow that it causes. Which one is not told: a borrow
 * may be passed on to the byte above. */
static bool has_zero(uint64_t eight)
{
	return ((eight - UINT64_C(0x0101010101010101)) & ~eight &
		UINT64_C(0x8080808080808080)) != 0;
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Whether eight bytes are all plain. */
static bool eight_plain(const char *data)
{
	uint64_t eight;

	memcpy(&eight, data, 8);
	return (eight & UINT64_C(0x8080808080808080)) == 0 &&
	       /* A byte below 0x20 has none of these bits. */
	       !has_zero(eight & UINT64_C(0x6060606060606060)) &&
	       !has_zero(eight ^ UINT64_C(0x2222222222222222)) &&
	       !has_zero(eight ^ UINT64_C(0x5c5c5c5c5c5c5c5c));
}

/* The number of bytes at the start of text that stand for themselves in a string: valid UTF-8, but
 * no control character, quote or backslash. Eight at a time where all are ASCII: a file in base64
 * is megabytes of them. */
static size_t plain_run(struct str text)
{
	size_t n = 0, sequence;

	do {
		while (text.len - n >= 8 && eight_plain(text.data + n))
			n += 8;
		while (n < text.len && is_plain((unsigned char)text.data[n]))
			n++;
		sequence = 0;
		while (n < text.len && (unsigned char)text.data[n] >= 0x80) {
			sequence = utf8_sequence((struct str){ text.data + n, text.len - n });
			if (sequence == 0)
				break;
			n += sequence;
		}
	} while (sequence > 0);
	return n;
}

static int fail_as(struct parser *parser, enum json_fault fault, size_t offset, const char *reason)
{
	parser->error->fault = fault;
	parser->error->offset = offset;
	parser->error->reason = reason;
	return fault == JSON_NO_MEMORY ? -ENOMEM : -EINVAL;
}

/* What is at the present place is not what must be there. */
static int fail(struct parser *parser, const char *reason)
{
	if (parser->at >= parser->len)
		reason = "unexpected end";
	return fail_as(parser, JSON_INVALID, parser->at, reason);
}

/* The byte at the present place, or -1 at the end: no byte of the text is that, NUL neither. */
static int peek(const struct parser *parser)
{
	return parser->at < parser->len ? (unsigned char)parser->data[parser->at] : -1;
}

/* Goes over one byte, where it is there. */
static bool accept(struct parser *parser, char c)
{
	bool there = peek(parser) == c;

	parser->at += there;
	return there;
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static void skip_space(struct parser *parser)
{
	for (;;) {
		int c = peek(parser);

		if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
			return;
		parser->at++;
	}
}

static struct str rest(const struct parser *parser)
{
	return (struct str){ parser->data + parser->at, parser->len - parser->at };
}

static void emit(struct parser *parser, const char *data, size_t n)
{
	if (parser->tree && n > 0)
		memcpy(parser->strings + parser->bytes, data, n);
	parser->bytes += n;
}

/* The bytes that were emitted since there were `start`. While counting there are none. */
static struct str emitted(const struct parser *parser, size_t start)
{
	if (!parser->tree)
		return STR("");
	return (struct str){ parser->strings + start, parser->bytes - start };
}

static void emit_code_point(struct parser *parser, uint32_t c)
{
	char out[4];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	/* Of n > 1 bytes the first begins with n ones, each other holds six bits. */
	for (size_t i = n; --i > 0; c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(n > 1 ? 0xff00u >> n | c : c);
	emit(parser, out, n);
}

/* Four hexadecimal digits. */
static int parse_hex(struct parser *parser, uint32_t *unit)
{
	*unit = 0;
	for (int i = 0; i < 4; i++, parser->at++) {
		int digit = byte_hex((char)peek(parser));

		if (digit < 0)
			return fail(parser, "expected a hexadecimal digit");
		*unit = *unit << 4 | (uint32_t)digit;
	}
	return 0;
}

/* What follows "\u": one code unit, or two that are a surrogate pair. A surrogate alone stands for
 * no character, so that no UTF-8 could be made of it: refused. */
static int parse_code_point(struct parser *parser)
{
	size_t start = parser->at - 2;
	uint32_t high, low = 0;
	int error;

	error = parse_hex(parser, &high);
	if (error)
		return error;
	if (high < 0xd800 || high > 0xdfff) {
		emit_code_point(parser, high);
		return 0;
	}
	if (high > 0xdbff || parser->len - parser->at < 2 ||
	    memcmp(parser->data + parser->at, "\\u", 2) != 0)
		return fail_as(parser, JSON_INVALID, start, "lone surrogate");
	parser->at += 2;
	error = parse_hex(parser, &low);
	if (error)
		return error;
	if (low < 0xdc00 || low > 0xdfff)
		return fail_as(parser, JSON_INVALID, start, "lone surrogate");
	emit_code_point(parser, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
	return 0;
}

static int parse_escape(struct parser *parser)
{
	int c = peek(parser);

	if (accept(parser, 'u'))
		return parse_code_point(parser);
	const char *letter = c > 0 ? strchr(escape_letters, c) : NULL;
	if (!letter)
		return fail(parser, "unknown escape");
	emit(parser, &escaped[letter - escape_letters], 1);
	parser->at++;
	return 0;
}

/* A string from its first quote; the present place is behind its last one then. */
static int parse_string(struct parser *parser, struct str *text)
{
	size_t start = parser->bytes;

	parser->at++;
	for (;;) {
		size_t n = plain_run(rest(parser));
		int c, error;

		emit(parser, parser->data + parser->at, n);
		parser->at += n;
		c = peek(parser);
		if (c == '"')
			break;
		if (c == '\\') {
			parser->at++;
			error = parse_escape(parser);
			if (error)
				return error;
			continue;
		}
		return fail(parser, c < 0x20 ? "control character in a string" : "invalid UTF-8");
	}
	parser->at++;
	*text = emitted(parser, start);
	return 0;
}

static int skip_digits(struct parser *parser)
{
	if (!is_digit(peek(parser)))
		return fail(parser, "expected a digit");
	while (is_digit(peek(parser)))
		parser->at++;
	return 0;
}

/* The value of a plain integer, or false where int64_t cannot hold it. */
static bool to_integer(struct str text, int64_t *integer)
{
	bool negative = text.data[0] == '-';
	int64_t sum = 0;

	for (size_t i = negative; i < text.len; i++) {
		int64_t digit = text.data[i] - '0';

		/* Summed with its sign: INT64_MIN has no positive counterpart. */
		if (__builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, negative ? -digit : digit, &sum))
			return false;
	}
	*integer = sum;
	return true;
}

static int parse_number(struct parser *parser, struct json_value *value)
{
	size_t start = parser->at, bytes = parser->bytes;
	bool plain = true;
	int error;

	accept(parser, '-');
	if (accept(parser, '0')) {
		if (is_digit(peek(parser)))
			return fail(parser, "leading zero in a number");
	} else if ((error = skip_digits(parser))) {
		return error;
	}
	if (accept(parser, '.')) {
		plain = false;
		if ((error = skip_digits(parser)))
			return error;
	}
	if (accept(parser, 'e') || accept(parser, 'E')) {
		plain = false;
		if (!accept(parser, '+'))
			accept(parser, '-');
		if ((error = skip_digits(parser)))
			return error;
	}
	emit(parser, parser->data + start, parser->at - start);
	value->type = JSON_NUMBER;
	value->text = emitted(parser, bytes);
	if (plain && parser->tree)
		value->is_integer = to_integer(value->text, &value->integer);
	return 0;
}

static int parse_word(struct parser *parser, struct json_value *value)
{
	int first = peek(parser);

	for (enum json_type type = JSON_NULL; type <= JSON_TRUE; type++) {
		const char *c = words[type];

		if (first != *c)
			continue;
		for (; *c; c++, parser->at++)
			if (peek(parser) != *c)
				return fail(parser, "unknown word");
		value->type = type;
		return 0;
	}
	if (parser->at == 0 && parser->len >= 3 && memcmp(parser->data, "\xef\xbb\xbf", 3) == 0)
		return fail(parser, "byte order mark");
	return fail(parser, "expected a value");
}

/* Counts a value; in the second reading, links it to what it is in as well. */
static struct json_value *add_value(struct parser *parser, const struct json_value *value)
{
	struct level *level = parser->depth ? &parser->levels[parser->depth - 1] : NULL;
	struct json_value *added;

	if (parser->values++ == JSON_VALUES_MAX)
		parser->excess = value->offset;
	if (!parser->tree)
		return NULL;
	added = &parser->tree[parser->values - 1];
	*added = *value;
	if (level) {
		*level->tail = added;
		level->tail = &added->next;
		level->value->count++;
	}
	return added;
}

/* An array or object from its first byte. */
static int open_level(struct parser *parser, struct json_value *value)
{
	struct json_value *added;

	if (parser->depth == JSON_DEPTH_MAX)
		return fail(parser, "nested too deeply");
	value->type = peek(parser) == '{' ? JSON_OBJECT : JSON_ARRAY;
	parser->at++;
	added = add_value(parser, value);
	parser->levels[parser->depth++] = (struct level){
		.type = value->type,
		.value = added,
		.tail = added ? &added->first : NULL,
	};
	return 0;
}

static int parse_value(struct parser *parser)
{
	struct json_value value = {
		.text = STR(""), .key = parser->key, .offset = parser->at,
	};
	int c = peek(parser), error;

	parser->key = STR("");
	if (c == '{' || c == '[')
		return open_level(parser, &value);
	if (c == '"') {
		value.type = JSON_STRING;
		error = parse_string(parser, &value.text);
	} else if (c == '-' || is_digit(c)) {
		error = parse_number(parser, &value);
	} else {
		error = parse_word(parser, &value);
	}
	if (!error)
		add_value(parser, &value);
	return error;
}

/* A member's key and its colon; the value is next. */
static int parse_key(struct parser *parser)
{
	int error;

	if (peek(parser) != '"')
		return fail(parser, "expected a string as key");
	error = parse_string(parser, &parser->key);
	if (error)
		return error;
	skip_space(parser);
	return accept(parser, ':') ? 0 : fail(parser, "expected ':'");
}

static int compare_eight(const char *left, const char *right)
{
	uint64_t a, b;

	memcpy(&a, left, 8);
	memcpy(&b, right, 8);
	return a < b ? -1 : a > b;
}

/* Any total order in which equal keys are neighbours, and of those the first in the text is the
 * first. By length first, then from the end, by eight: what many keys share is mostly their
 * beginning, and the memcmp of musl takes them byte by byte. */
static int compare_members(const void *left, const void *right)
{
	const struct json_value *a = *(const struct json_value *const *)left;
	const struct json_value *b = *(const struct json_value *const *)right;
	size_t n = a->key.len;
	int order = 0;

	if (n != b->key.len)
		return n < b->key.len ? -1 : 1;
	for (; n >= 8 && order == 0; n -= 8)
		order = compare_eight(a->key.data + n - 8, b->key.data + n - 8);
	if (order == 0)
		order = memcmp(a->key.data, b->key.data, n);
	if (order != 0)
		return order;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* The first member, in the order of the text, whose key an earlier one has; or NULL. */
static const struct json_value *repeated_of_few(const struct json_value *object)
{
	for (const struct json_value *b = object->first; b; b = b->next)
		for (const struct json_value *a = object->first; a != b; a = a->next)
			if (str_eq(a->key, b->key))
				return b;
	return NULL;
}

/* The same for any number of members: 0 or -ENOMEM. A hash table would be at the mercy of who
 * chooses the keys; sorting is not. */
static int repeated_of_many(const struct json_value *object, const struct json_value **repeated)
{
	const struct json_value **members = calloc(object->count, sizeof(members[0]));
	size_t n = 0;

	*repeated = NULL;
	if (!members)
		return -ENOMEM;
	for (const struct json_value *member = object->first; member; member = member->next)
		members[n++] = member;
	qsort(members, n, sizeof(members[0]), compare_members);
	for (size_t i = 1; i < n; i++)
		if (str_eq(members[i - 1]->key, members[i]->key) &&
		    (!*repeated || members[i]->offset < (*repeated)->offset))
			*repeated = members[i];
	free(members);
	return 0;
}

/* Where a member's key begins, looked for backwards from its value, because no value holds it: over
 * the colon to the last quote of the key, and on to the first quote that is not escaped. */
static size_t key_offset(const struct parser *parser, const struct json_value *member)
{
	size_t at = member->offset - 1, slashes;

	while (parser->data[at] != '"')
		at--;
	do {
		at--;
		while (parser->data[at] != '"')
			at--;
		slashes = 0;
		while (parser->data[at - 1 - slashes] == '\\')
			slashes++;
	} while (slashes % 2 != 0);
	return at;
}

static int check_members(struct parser *parser, const struct json_value *object)
{
	const struct json_value *repeated = NULL;
	size_t n = 0;

	if (object->count <= MEMBERS_COMPARED)
		repeated = repeated_of_few(object);
	else if (repeated_of_many(object, &repeated))
		return fail_as(parser, JSON_NO_MEMORY, object->offset, "out of memory");
	if (!repeated)
		return 0;
	/* As much of the key as fits in whole characters. */
	while (n < repeated->key.len) {
		struct str left = { repeated->key.data + n, repeated->key.len - n };
		size_t c = utf8_sequence(left);

		if (c == 0 || c >= sizeof(parser->error->key) - n)
			break;
		memcpy(parser->error->key + n, left.data, c);
		n += c;
	}
	return fail_as(parser, JSON_DUPLICATE_KEY, key_offset(parser, repeated), "duplicate key");
}

static int close_level(struct parser *parser)
{
	const struct level *level = &parser->levels[--parser->depth];

	parser->at++;
	if (level->value && level->type == JSON_OBJECT)
		return check_members(parser, level->value);
	return 0;
}

/* From behind a value to where the next one must be: over what closes, and over a comma and a key.
 * `opened`: the value was an array or object that has only been opened. With no level open any
 * more, the document is over. */
static int parse_between(struct parser *parser, bool opened)
{
	while (parser->depth > 0) {
		bool object = parser->levels[parser->depth - 1].type == JSON_OBJECT;
		int error;

		skip_space(parser);
		if (peek(parser) == (object ? '}' : ']')) {
			error = close_level(parser);
			if (error)
				return error;
			opened = false;
			continue;
		}
		if (!opened) {
			if (!accept(parser, ','))
				return fail(parser, object ? "expected ',' or '}'" :
							     "expected ',' or ']'");
			skip_space(parser);
		}
		return object ? parse_key(parser) : 0;
	}
	return 0;
}

/* One reading of the whole text. */
static int parse_text(struct parser *parser)
{
	parser->at = parser->values = parser->bytes = parser->depth = 0;
	parser->key = STR("");
	do {
		size_t depth = parser->depth;
		int error;

		skip_space(parser);
		error = parse_value(parser);
		if (error)
			return error;
		error = parse_between(parser, parser->depth > depth);
		if (error)
			return error;
	} while (parser->depth > 0);
	skip_space(parser);
	if (parser->at < parser->len)
		return fail(parser, "more after the value");
	return 0;
}

struct json *json_parse(struct str text, struct json_error *error)
{
	struct parser parser = { .data = text.data, .len = text.len, .error = error };
	struct json *json;
	size_t size;

	*error = (struct json_error){ .fault = JSON_OK, .reason = "" };
	if (parse_text(&parser))
		return NULL;
	if (parser.values > JSON_VALUES_MAX) {
		fail_as(&parser, JSON_TOO_MANY, parser.excess, "too many values");
		return NULL;
	}
	size = sizeof(*json) + parser.values * sizeof(json->tree[0]);
	json = __builtin_add_overflow(size, parser.bytes, &size) ? NULL : malloc(size);
	if (!json) {
		fail_as(&parser, JSON_NO_MEMORY, 0, "out of memory");
		return NULL;
	}
	json->n = parser.values;
	parser.tree = json->tree;
	parser.strings = (char *)&json->tree[json->n];
	if (parse_text(&parser)) {
		free(json);
		return NULL;
	}
	return json;
}

const struct json_value *json_root(const struct json *json)
{
	return json->tree;
}

void json_free(struct json *json)
{
	free(json);
}

const struct json_value *json_member(const struct json_value *object, const char *key)
{
	struct str name = str_of(key);

	if (!object || object->type != JSON_OBJECT)
		return NULL;
	for (const struct json_value *member = object->first; member; member = member->next)
		if (str_eq(member->key, name))
			return member;
	return NULL;
}

/* The length of the maximal subpart that an invalid sequence begins with: as many bytes as some
 * valid sequence begins with too, and at least one. 0x80 may continue any sequence, so a prefix is
 * good if it becomes valid by such bytes. */
static size_t invalid_length(struct str text)
{
	char probe[4] = { text.data[0], '\x80', '\x80', '\x80' };
	size_t n = 1;

	while (n < 3 && n < text.len) {
		probe[n] = text.data[n];
		if (utf8_sequence((struct str){ probe, sizeof(probe) }) <= n + 1)
			break;
		n++;
	}
	return n;
}

/* Writes what is not plain at the start of text; n is its length there. */
static int write_special(struct buf *out, struct str text, size_t *n)
{
	static const char hex[16] = "0123456789abcdef";
	unsigned char c = (unsigned char)text.data[0];

	*n = utf8_sequence(text);
	if (*n == 0) {
		*n = invalid_length(text);
		return buf_append(out, "\xef\xbf\xbd", 3);
	}
	const char *byte = c ? strchr(escaped, c) : NULL;
	if (byte)
		return buf_append(out, (const char[]){ '\\', escape_letters[byte - escaped] }, 2);
	return buf_append(out, (const char[]){ '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] }, 6);
}

int json_write_string(struct buf *out, struct str text)
{
	size_t start = out->len, n;
	int error;

	error = buf_putc(out, '"');
	for (; text.len > 0 && !error; text.data += n, text.len -= n) {
		n = plain_run(text);
		error = n ? buf_append(out, text.data, n) : write_special(out, text, &n);
	}
	if (!error)
		error = buf_putc(out, '"');
	/* The string is written as a whole or not at all. */
	if (error)
		out->len = start;
	return error;
}

int json_write_base64(struct buf *out, struct str data)
{
	size_t start = out->len;
	int error;

	error = buf_putc(out, '"');
	if (!error)
		error = buf_base64_encode(out, data);
	if (!error)
		error = buf_putc(out, '"');
	if (error)
		out->len = start;
	return error;
}
