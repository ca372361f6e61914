/* session.c - the server's table of sessions: see session.h
 *
 * A record is struct record_head, cwd, and each variable as two lengths, name and value, in host byte order: it is written
 * and read on one machine, by one program. */
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "log.h"
#include "parcel.h"

enum { NODE_SIZE = 27, BUCKETS = 4096, RECORD_MAGIC = 0x4f534233 };

static const int64_t ns_per_s = 1000000000;

struct record_head {
	uint32_t magic, network, env_len, cwd_len;
	uint64_t ttl_s, disk_kb;
	int64_t created_ms, used_ms;
	struct limits limits;
};

/* What an answer of the launcher's is for. */
struct pending {
	uint32_t serial;
	enum message_type type;
	struct session *session;	/* NULL: it has gone meanwhile */
	/* A change that is taken back if it could not be kept: what was before. */
	struct variable *env;
	size_t env_len;
	char *cwd;
	struct pending *next;
};

struct sessions {
	struct sandbox *sandbox;
	char node[NODE_SIZE];
	size_t max, len, size;
	struct session **table;
	struct session *buckets[BUCKETS];
	struct pending *pending;
	uint32_t serial;
	uint64_t last_number;
	int64_t next_expiry;		/* none expires before this: looked for again only then */
};

int
sessions_open(struct sessions **out, struct sandbox *sandbox, size_t max, const char *node)
{
	struct sessions *sessions = calloc(1, sizeof(*sessions));
	if (!sessions)
		return -ENOMEM;
	sessions->sandbox = sandbox;
	sessions->max = max;
	sessions->next_expiry = INT64_MAX;
	snprintf(sessions->node, sizeof(sessions->node), "%s", node ? node : "");
	*out = sessions;
	return 0;
}

size_t
sessions_len(const struct sessions *sessions)
{
	return sessions->len;
}

size_t
sessions_max(const struct sessions *sessions)
{
	return sessions->max;
}

struct session *
sessions_at(struct sessions *sessions, size_t index)
{
	return index < sessions->len ? sessions->table[index] : NULL;
}

/* The table is in the order of numbers. */
static size_t
place_after(const struct sessions *sessions, uint64_t number)
{
	size_t low = 0, high = sessions->len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (sessions->table[middle]->number > number)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

struct session *
sessions_after(struct sessions *sessions, uint64_t number)
{
	size_t at = place_after(sessions, number);

	while (at < sessions->len && sessions->table[at]->state != SESSION_LIVE)
		at++;
	return at < sessions->len ? sessions->table[at] : NULL;
}

/* --- variables ------------------------------------------------------------------------------------ */

static int
copy_str(struct str *to, struct str from)
{
	char *data = malloc(from.len ? from.len : 1);
	if (!data)
		return -ENOMEM;
	if (from.len)
		memcpy(data, from.data, from.len);
	to->data = data;
	to->len = from.len;
	return 0;
}

static void
free_str(struct str *text)
{
	union {
		const char *borrowed;
		char *owned;
	} data = { text->data };
	free(data.owned);
	*text = (struct str){ NULL, 0 };
}

static void
free_env(struct variable *env, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		free_str(&env[i].name);
		free_str(&env[i].value);
	}
	free(env);
}

/* The variables of `base` with the changes made: a new array that owns its texts. */
static int
merge_env(struct variable **out, size_t *out_len, const struct variable *base, size_t base_len,
    const struct variable *changes, size_t changes_len)
{
	struct variable *merged = calloc(base_len + changes_len + 1, sizeof(*merged));
	size_t len = 0;

	if (!merged)
		return -ENOMEM;
	for (size_t i = 0; i < base_len + changes_len; i++) {
		const struct variable *variable = i < base_len ? &base[i] : &changes[i - base_len];
		bool superseded = !variable->value.data;
		for (size_t j = i < base_len ? 0 : i - base_len + 1; j < changes_len && !superseded; j++)
			superseded = str_eq(variable->name, changes[j].name);
		if (superseded)
			continue;
		if (copy_str(&merged[len].name, variable->name) ||
		    copy_str(&merged[len].value, variable->value)) {
			free_env(merged, len + 1);
			return -ENOMEM;
		}
		len++;
	}
	*out = merged;
	*out_len = len;
	return 0;
}

/* --- the table ------------------------------------------------------------------------------------ */

static int
grow_table(struct sessions *sessions)
{
	size_t size = sessions->size ? 2 * sessions->size : 64;
	struct session **table = reallocarray(sessions->table, size, sizeof(*table));

	if (!table)
		return -ENOMEM;
	sessions->table = table;
	sessions->size = size;
	return 0;
}

static int
add_session(struct sessions *sessions, struct session *session)
{
	if (sessions->len == sessions->size && grow_table(sessions))
		return -ENOMEM;
	session->hash = str_hash(str_of(session->id));
	session->number = ++sessions->last_number;
	sessions->table[sessions->len++] = session;
	session->chain = sessions->buckets[session->hash % BUCKETS];
	sessions->buckets[session->hash % BUCKETS] = session;
	return 0;
}

static void
free_session(struct session *session)
{
	free_env(session->env, session->env_len);
	free_str(&session->cwd);
	free(session);
}

static void
drop_session(struct sessions *sessions, struct session *session)
{
	struct session **link = &sessions->buckets[session->hash % BUCKETS];

	while (*link != session)
		link = &(*link)->chain;
	*link = session->chain;
	size_t place = place_after(sessions, session->number - 1);
	memmove(sessions->table + place, sessions->table + place + 1,
	    (--sessions->len - place) * sizeof(struct session *));
	for (struct pending *pending = sessions->pending; pending; pending = pending->next)
		if (pending->session == session)
			pending->session = NULL;
	session->state = SESSION_GONE;
	if (!session->busy)		/* else the last request that uses it frees it */
		free_session(session);
}

struct session *
session_find(struct sessions *sessions, struct str id)
{
	uint64_t hash = str_hash(id);

	for (struct session *session = sessions->buckets[hash % BUCKETS]; session; session = session->chain)
		if (session->hash == hash && session->state == SESSION_LIVE && str_is(id, session->id))
			return session;
	return NULL;
}

/* --- records -------------------------------------------------------------------------------------- */

static int
write_record(const struct session *session)
{
	struct record_head head = {
		.magic = RECORD_MAGIC, .network = session->network, .env_len = (uint32_t)session->env_len,
		.cwd_len = (uint32_t)session->cwd.len, .ttl_s = session->ttl_s, .disk_kb = session->disk_kb,
		.created_ms = session->created_ms, .used_ms = session->used_ms, .limits = session->limits,
	};
	struct buf record;

	buf_init(&record, MESSAGE_META_MAX);
	buf_append(&record, &head, sizeof(head));
	buf_append_str(&record, session->cwd);
	for (size_t i = 0; i < session->env_len; i++) {
		uint32_t lengths[2] = {
			(uint32_t)session->env[i].name.len, (uint32_t)session->env[i].value.len,
		};
		buf_append(&record, lengths, sizeof(lengths));
		buf_append_str(&record, session->env[i].name);
		buf_append_str(&record, session->env[i].value);
	}
	int fd = record.failed ? -ENOMEM : parcel_seal("record", buf_str(&record));
	buf_free(&record);
	return fd;
}

static bool
take(struct str *rest, void *into, size_t n)
{
	if (rest->len < n)
		return false;
	memcpy(into, rest->data, n);
	*rest = (struct str){ rest->data + n, rest->len - n };
	return true;
}

static bool
take_str(struct str *rest, size_t n, struct str *text)
{
	if (rest->len < n || copy_str(text, (struct str){ rest->data, n }))
		return false;
	*rest = (struct str){ rest->data + n, rest->len - n };
	return true;
}

/* A record was written by a server, which may have been a taken-over one: what no request could have made is not believed. */
static bool
record_sound(const struct session *session)
{
	enum { TTL_MOST_S = 366 * 86400 };

	if (session->ttl_s < 1 || session->ttl_s > TTL_MOST_S || session->network >= NETWORKS_LEN ||
	    session->disk_kb < 1 || session->disk_kb > limit_fields[LIMIT_DISK].greatest ||
	    !str_begins(session->cwd, "/") || str_has_nul(session->cwd))
		return false;
	for (int i = 0; i < LIMITS_LEN; i++)
		if (limits_get(&session->limits, (enum limit_id)i) > limit_fields[i].greatest)
			return false;
	for (size_t i = 0; i < session->env_len; i++)
		if (!environment_name_valid(session->env[i].name) || str_has_nul(session->env[i].value))
			return false;
	return true;
}

static bool
read_record(struct session *session, struct str record)
{
	struct record_head head;

	if (!take(&record, &head, sizeof(head)) || head.magic != RECORD_MAGIC ||
	    head.env_len > record.len || !take_str(&record, head.cwd_len, &session->cwd))
		return false;
	session->network = head.network;
	session->ttl_s = head.ttl_s;
	session->disk_kb = head.disk_kb;
	session->created_ms = head.created_ms;
	session->used_ms = head.used_ms;
	session->limits = head.limits;
	session->env = calloc(head.env_len ? head.env_len : 1, sizeof(*session->env));
	if (!session->env)
		return false;
	for (uint32_t i = 0; i < head.env_len; i++) {
		uint32_t lengths[2];
		session->env_len = i + 1;
		if (!take(&record, lengths, sizeof(lengths)) ||
		    !take_str(&record, lengths[0], &session->env[i].name) ||
		    !take_str(&record, lengths[1], &session->env[i].value))
			return false;
	}
	return record.len == 0 && record_sound(session);
}

/* --- asking the launcher -------------------------------------------------------------------------- */

static struct pending *
ask(struct sessions *sessions, struct session *session, enum message_type type, int record, int *error)
{
	if (session->state >= SESSION_CLOSING) {
		*error = -ENOENT;	/* what is asked for it now would outlive it */
		return NULL;
	}
	struct message_session message = {
		.type = (uint32_t)type, .serial = ++sessions->serial, .network = session->network,
		.disk_kb = session->disk_kb,
	};

	if (!sessions->serial)
		message.serial = ++sessions->serial;	/* 0 is nobody's */
	snprintf(message.id, sizeof(message.id), "%s", session->id);
	struct pending *pending = calloc(1, sizeof(*pending));
	*error = pending ? sandbox_tell(sessions->sandbox, &message, sizeof(message), record) : -ENOMEM;
	if (*error) {
		free(pending);
		return NULL;
	}
	pending->serial = message.serial;
	pending->type = type;
	pending->session = session;
	pending->next = sessions->pending;
	sessions->pending = pending;
	return pending;
}

static int
ask_to_keep(struct sessions *sessions, struct session *session, enum message_type type,
    struct pending **pending)
{
	int record = write_record(session), error;

	if (record < 0)
		return record;
	*pending = ask(sessions, session, type, record, &error);
	close(record);
	return error;
}

static int
new_id(const struct sessions *sessions, char id[MESSAGE_ID_MAX])
{
	unsigned long long r[2];

	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return -EIO;
	/* RFC 9562: version 4, variant 10. */
	snprintf(id, MESSAGE_ID_MAX, "%s%s%08llx-%04llx-4%03llx-%04llx-%012llx", sessions->node,
	    sessions->node[0] ? "-" : "", r[0] >> 32, r[0] >> 16 & 0xffff, r[0] & 0xfff,
	    (r[1] >> 48 & 0x3fff) | 0x8000, r[1] & 0xffffffffffff);
	return 0;
}

int
session_create(struct sessions *sessions, const struct session_wish *wish, struct wait *now,
    struct session **out, uint32_t *serial)
{
	struct pending *pending = NULL;
	int error = -ENOMEM;

	if (sessions->len >= sessions->max)
		return -EMFILE;
	struct session *session = calloc(1, sizeof(*session));
	if (!session)
		return -ENOMEM;
	session->network = wish->network;
	session->ttl_s = wish->ttl_s;
	session->disk_kb = wish->disk_kb;
	session->limits = wish->limits;
	session->created_ms = session->used_ms = wait_wall_clock_ms();
	session->idle_since = now->now;
	if (merge_env(&session->env, &session->env_len, NULL, 0, wish->env, wish->env_len) ||
	    copy_str(&session->cwd, wish->cwd) || new_id(sessions, session->id) ||
	    add_session(sessions, session))
		goto err_free;
	error = ask_to_keep(sessions, session, MESSAGE_SESSION_OPEN, &pending);
	if (error)
		goto err_drop;
	session->busy = 1;		/* its creation is a request in hand */
	*out = session;
	*serial = pending->serial;
	return 0;
err_drop:
	drop_session(sessions, session);
	return error;
err_free:
	free_session(session);
	return error;
}

/* Takes back what the launcher could not keep. */
static void
undo(struct pending *pending)
{
	struct session *session = pending->session;

	if (pending->env) {
		free_env(session->env, session->env_len);
		session->env = pending->env;
		session->env_len = pending->env_len;
		pending->env = NULL;
	}
	if (pending->cwd) {
		free_str(&session->cwd);
		session->cwd = str_of(pending->cwd);
		pending->cwd = NULL;
	}
}

static size_t
env_bytes(const struct variable *env, size_t len)
{
	size_t size = 0;

	for (size_t i = 0; i < len; i++)
		size += env[i].name.len + env[i].value.len + 2;
	return size;
}

int
session_set_env(struct sessions *sessions, struct session *session, const struct variable *env,
    size_t len, size_t most_variables, size_t most_bytes, uint32_t *serial)
{
	struct variable *merged, *old = session->env;
	size_t merged_len, old_len = session->env_len;
	struct pending *pending = NULL;

	int error = merge_env(&merged, &merged_len, session->env, session->env_len, env, len);
	if (error)
		return error;
	if (merged_len > most_variables || env_bytes(merged, merged_len) > most_bytes) {
		free_env(merged, merged_len);
		return -E2BIG;
	}
	session->env = merged;
	session->env_len = merged_len;
	error = ask_to_keep(sessions, session, MESSAGE_SESSION_SAVE, &pending);
	if (error) {
		session->env = old;
		session->env_len = old_len;
		free_env(merged, merged_len);
		return error;
	}
	pending->env = old;
	pending->env_len = old_len;
	*serial = pending->serial;
	return 0;
}

int
session_set_cwd(struct sessions *sessions, struct session *session, struct str cwd, uint32_t *serial)
{
	struct pending *pending = NULL;
	struct str old = session->cwd, copy;

	char *undo_text = strndup(old.data, old.len);
	if (!undo_text || copy_str(&copy, cwd)) {
		free(undo_text);
		return -ENOMEM;
	}
	session->cwd = copy;
	int error = ask_to_keep(sessions, session, MESSAGE_SESSION_SAVE, &pending);
	if (error) {
		session->cwd = old;
		free_str(&copy);
		free(undo_text);
		return error;
	}
	free_str(&old);
	pending->cwd = undo_text;
	*serial = pending->serial;
	return 0;
}

int
session_measure(struct sessions *sessions, struct session *session, uint32_t *serial)
{
	int error;
	struct pending *pending = ask(sessions, session, MESSAGE_SESSION_USAGE, -1, &error);

	if (pending)
		*serial = pending->serial;
	return error;
}

int
session_end(struct sessions *sessions, struct session *session, uint32_t *serial)
{
	int error;
	struct pending *pending = ask(sessions, session, MESSAGE_SESSION_CLOSE, -1, &error);

	if (!pending)
		return error;
	session->state = SESSION_CLOSING;
	if (serial)
		*serial = pending->serial;
	return 0;
}

void
session_enter(struct session *session)
{
	session->busy++;
}

static void
expect_expiry(struct sessions *sessions, const struct session *session)
{
	int64_t at = session_expiry(session);

	if (at < sessions->next_expiry)
		sessions->next_expiry = at;
}

void
session_leave(struct sessions *sessions, struct session *session, const struct wait *now)
{
	session->busy--;
	session->idle_since = now->now;
	session->used_ms = wait_wall_clock_ms();
	if (session->state == SESSION_GONE && !session->busy)
		free_session(session);
	else
		expect_expiry(sessions, session);
}

int64_t
session_expiry(const struct session *session)
{
	return session->busy ? INT64_MAX : session->idle_since + (int64_t)session->ttl_s * ns_per_s;
}

/* --- what the launcher says ----------------------------------------------------------------------- */

uint32_t
sessions_answer(struct sessions *sessions, const struct message_session *message, int *error)
{
	struct pending **link = &sessions->pending;

	while (*link && (*link)->serial != message->serial)
		link = &(*link)->next;
	struct pending *pending = *link;
	if (!pending)
		return 0;
	*link = pending->next;
	*error = message->error;
	struct session *session = pending->session;
	if (session && pending->type == MESSAGE_SESSION_USAGE && !message->error)
		session->disk_used_kb = message->used_kb;
	if (session && pending->type == MESSAGE_SESSION_SAVE && message->error)
		undo(pending);
	if (session && pending->type == MESSAGE_SESSION_OPEN && session->state == SESSION_NEW && !message->error)
		session->state = SESSION_LIVE;
	if (session && ((pending->type == MESSAGE_SESSION_OPEN && message->error) ||
	    pending->type == MESSAGE_SESSION_CLOSE))
		drop_session(sessions, session);
	free_env(pending->env, pending->env_len);
	free(pending->cwd);
	uint32_t serial = pending->serial;
	free(pending);
	return serial;
}

void
sessions_found(struct sessions *sessions, const struct message_session *message, int record,
    const struct wait *now)
{
	struct buf text;

	buf_init(&text, 2 * MESSAGE_META_MAX);	/* buf_read asks for more room than it uses */
	struct session *session = calloc(1, sizeof(*session));
	if (!session)
		goto out;
	snprintf(session->id, sizeof(session->id), "%.*s", MESSAGE_ID_MAX - 1, message->id);
	if (buf_read(&text, record) || !read_record(session, buf_str(&text)) || add_session(sessions, session)) {
		log_say(LOG_TEXT, "session %s: its record cannot be read", session->id);
		free_session(session);
		goto out;
	}
	session->state = SESSION_LIVE;
	session->idle_since = now->now;
	expect_expiry(sessions, session);
out:
	buf_free(&text);
}

static int
compare_age(const void *a, const void *b)
{
	const struct session *const *one = a, *const *other = b;

	return ((*one)->created_ms > (*other)->created_ms) - ((*one)->created_ms < (*other)->created_ms);
}

void
sessions_found_all(struct sessions *sessions)
{
	if (!sessions->len)
		return;			/* nor a table */
	qsort(sessions->table, sessions->len, sizeof(*sessions->table), compare_age);
	for (size_t i = 0; i < sessions->len; i++)
		sessions->table[i]->number = i + 1;
}

/* --- expiry --------------------------------------------------------------------------------------- */

void
sessions_wait(struct sessions *sessions, struct wait *wait)
{
	wait_until(wait, sessions->next_expiry);
}

void
sessions_step(struct sessions *sessions, const struct wait *wait)
{
	enum { MOST = 64 };		/* a round: closing takes messages */
	unsigned ended = 0;

	if (wait->now < sessions->next_expiry)
		return;
	sessions->next_expiry = INT64_MAX;
	for (size_t i = sessions->len; i-- > 0;) {
		struct session *session = sessions->table[i];
		if (session->state != SESSION_LIVE)
			continue;
		if (session_expiry(session) > wait->now || ended >= MOST || session_end(sessions, session, NULL))
			expect_expiry(sessions, session);
		else
			ended++;
	}
}

void
sessions_close(struct sessions *sessions)
{
	while (sessions->len)
		drop_session(sessions, sessions->table[sessions->len - 1]);
	while (sessions->pending) {
		struct pending *next = sessions->pending->next;
		free_env(sessions->pending->env, sessions->pending->env_len);
		free(sessions->pending->cwd);
		free(sessions->pending);
		sessions->pending = next;
	}
	free(sessions->table);
	free(sessions);
}
