/* json.h - reads JSON (RFC 8259, strictly) into a bounded tree of values, and writes it */
#ifndef JSON_H
#define JSON_H

#include "buf.h"

enum json_type {
	JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT,
};

enum {
	JSON_DEPTH_MAX = 32,		/* arrays and objects within each other */
	JSON_VALUES_MAX = 65536,	/* values in one document: bounds the tree's memory */
};

/* A value. Strings (and keys) are decoded; they may hold NUL. An object's members and an array's
 * elements are a list: first child, then next. A number keeps its text; `integer` is set where
 * the text is a plain integer (no fraction, no exponent) that fits int64_t, and is its value. */
struct json_value {
	enum json_type type;
	bool is_integer;
	int64_t integer;
	struct str text;		/* string: decoded; number: as written */
	struct str key;			/* of a member of an object */
	size_t offset;			/* of the value's first byte in the input */
	size_t count;			/* children */
	const struct json_value *first, *next;
};

/* A parsed document: owns the tree and the decoded strings. The input may be freed after it. */
struct json;

enum json_fault {
	JSON_OK,
	JSON_INVALID,		/* not JSON, or deeper than JSON_DEPTH_MAX */
	JSON_DUPLICATE_KEY,	/* well-formed, refused: the same key twice in one object */
	JSON_TOO_MANY,		/* well-formed, refused: more than JSON_VALUES_MAX values */
	JSON_NO_MEMORY,
};

struct json_error {
	enum json_fault fault;
	size_t offset;		/* of the byte at fault, from 0 */
	const char *reason;	/* "expected a value", …: static, lowercase, for people */
	char key[64];		/* JSON_DUPLICATE_KEY: the key, cut to fit, NUL-terminated, UTF-8 */
};

/* Parses all of text: one value with white space around it, nothing else. Returns NULL and fills
 * error when it is not. The document is one allocation, of at most the length of the text plus 80
 * bytes a value; until it is parsed, 8 bytes a member of its largest object come on top. Text that
 * is not JSON, or has too many values, allocates nothing. Time is O(n log n), also with many keys
 * in one object. No recursion. */
struct json *json_parse(struct str text, struct json_error *error);
const struct json_value *json_root(const struct json *json);
void json_free(struct json *json);
/* The member of an object, or NULL. */
const struct json_value *json_member(const struct json_value *object, const char *key);

/* Writers append to out; a full buffer is remembered there (buf.failed). A string's invalid UTF-8
 * becomes U+FFFD, one for each maximal subpart (Unicode 15, section 3.9, as browsers do); control
 * characters, quotes and backslashes are escaped; DEL and beyond are written as they are. */
int json_write_string(struct buf *out, struct str text);
int json_write_base64(struct buf *out, struct str data);
/* n bytes may be written per byte read, at most: for bounding buffers. */
enum { JSON_STRING_GROWTH = 6 };

#endif
