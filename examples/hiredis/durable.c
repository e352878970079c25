/* Durable writes and slot hints with hiredis.
 *
 *     cc -o durable durable.c -lhiredis
 *     ./durable write|retry|fence 127.0.0.1 6379
 *     ./durable prefill 127.0.0.1 7000              a node of a cluster
 *
 * docs/clients/hiredis.md explains it.
 */
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { KEYS = 100, NAME = 64 };

static redisContext *connect_to(const char *host, int port) {
    struct timeval ten = {10, 0};
    redisContext *context = redisConnectWithTimeout(host, port, ten);
    if (context != NULL && context->err == 0) {
        /* The timeout for a reply has to be above durable.timeout-ms. */
        struct timeval thirty = {30, 0};
        redisSetTimeout(context, thirty);
        return context;
    }
    if (context != NULL) redisFree(context);
    return NULL;
}

static void fail(const char *why) {
    fprintf(stderr, "%s\n", why);
    exit(1);
}

/* Whether the reply is an error with this code, such as UNACKED. */
static bool has_code(const redisReply *reply, const char *code) {
    size_t length = strlen(code);
    return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, code, length) == 0 &&
           (reply->str[length] == ' ' || reply->str[length] == '\0');
}

/* The reply, or the end of the program. After an error the context cannot be used again. */
static redisReply *received(redisContext *context, void *reply) {
    if (reply == NULL) fail(context->errstr);
    return reply;
}

static void write_durably(redisContext *context, const char *key, const char *value) {
    redisReply *reply = received(context, redisCommand(context, "DURABLE.SET %s %s", key, value));
    if (reply->type != REDIS_REPLY_ERROR) {
        printf("%s is durable\n", key);
    } else if (has_code(reply, "NOREPLICAS") || has_code(reply, "OVERLOADED")) {
        printf("not executed: %s\n", reply->str);
    } else if (has_code(reply, "UNACKED")) {
        /* It is on the primary. The replicas may have it by now. */
        redisReply *wait = received(context, redisCommand(context, "DURABLE.WAIT"));
        if (wait->type == REDIS_REPLY_INTEGER)
            printf("%s is durable, confirmed by %lld replicas\n", key, wait->integer);
        else if (has_code(wait, "UNACKED"))
            printf("executed, not confirmed: %s\n", wait->str);
        else
            fail(wait->str);
        freeReplyObject(wait);
    } else {
        fail(reply->str);
    }
    freeReplyObject(reply);
}

static bool may_be_sent_again(const redisReply *reply) {
    static const char *codes[] = {"UNACKED",  "UNBLOCKED",   "NOREPLICAS", "OVERLOADED",
                                  "READONLY", "TRYAGAIN",    "CLUSTERDOWN", "MASTERDOWN",
                                  "LOADING",  "OOM",         "MISCONF",    "BUSY"};
    for (size_t number = 0; number < sizeof codes / sizeof *codes; number++)
        if (has_code(reply, codes[number])) return true;
    return false;
}

/* Sends INCR until there is a reply. All tries have one id, so it is executed once. */
static long long increment_once(const char *host, int port, const char *key) {
    char id[37] = "";
    FILE *random = fopen("/proc/sys/kernel/random/uuid", "r");
    if (random == NULL || fscanf(random, "%36s", id) != 1) fail("no random id");
    fclose(random);

    time_t end = time(NULL) + 60; /* less than durable.once-ttl-ms */
    redisContext *context = NULL;
    for (;;) {
        if (context == NULL) context = connect_to(host, port);
        redisReply *reply = NULL;
        if (context != NULL) reply = redisCommand(context, "DURABLE.ONCE %s INCR %s", id, key);
        if (reply == NULL) {
            /* The connection broke, or there is none. */
            if (context != NULL) redisFree(context);
            context = NULL;
        } else if (reply->type == REDIS_REPLY_INTEGER) {
            long long count = reply->integer;
            freeReplyObject(reply);
            redisFree(context);
            return count;
        } else {
            if (!may_be_sent_again(reply)) fail(reply->str);
            freeReplyObject(reply);
        }
        if (time(NULL) > end) fail("the outcome is unknown");
        usleep(50000);
    }
}

/* Appended commands are sent together, when the first reply is read. */
static void fence(redisContext *context, char keys[][NAME]) {
    for (int number = 0; number < KEYS; number++)
        redisAppendCommand(context, "SET %s v", keys[number]);
    redisAppendCommand(context, "DURABLE.WAIT");
    redisReply *reply;
    for (int number = 0; number < KEYS; number++) {
        if (redisGetReply(context, (void **)&reply) != REDIS_OK) fail(context->errstr);
        if (reply->type == REDIS_REPLY_ERROR) fail(reply->str);
        freeReplyObject(reply);
    }
    if (redisGetReply(context, (void **)&reply) != REDIS_OK) fail(context->errstr);
    if (reply->type == REDIS_REPLY_INTEGER)
        printf("%d writes, acknowledged by %lld replicas\n", KEYS, reply->integer);
    else if (has_code(reply, "UNACKED"))
        printf("executed, not confirmed: %s\n", reply->str);
    else
        fail(reply->str);
    freeReplyObject(reply);
}

/* Writes the keys of one owner. Keys whose slot has moved since, or is moving, stay `unwritten`. */
static void write_batch(const char *host, int port, char keys[][NAME], bool *mine,
                        bool *unwritten) {
    redisContext *owner = connect_to(host, port);
    if (owner == NULL) fail("an owner cannot be reached");
    for (int number = 0; number < KEYS; number++)
        if (mine[number]) redisAppendCommand(owner, "SET %s v", keys[number]);
    for (int number = 0; number < KEYS; number++) {
        if (!mine[number]) continue;
        redisReply *reply;
        if (redisGetReply(owner, (void **)&reply) != REDIS_OK) fail(owner->errstr);
        bool moved =
            has_code(reply, "MOVED") || has_code(reply, "ASK") || has_code(reply, "TRYAGAIN");
        if (reply->type == REDIS_REPLY_ERROR && !moved) fail(reply->str);
        unwritten[number] = moved;
        freeReplyObject(reply);
    }
    redisFree(owner);
}

/* Asks SLOTHINT for the owners of the unwritten keys, and writes the keys to them.
 * Returns the number of owners. */
static size_t write_to_owners(redisContext *seed, const char *host, char keys[][NAME],
                              bool *unwritten) {
    const char *words[KEYS + 1] = {"SLOTHINT"};
    int place[KEYS], count = 0;
    for (int number = 0; number < KEYS; number++) {
        if (!unwritten[number]) continue;
        place[count++] = number;
        words[count] = keys[number];
    }
    redisReply *reply = received(seed, redisCommandArgv(seed, count + 1, words, NULL));
    if (reply->type == REDIS_REPLY_ERROR) fail(reply->str);
    redisReply *nodes = reply->element[1], *hints = reply->element[2];
    for (size_t index = 0; index < nodes->elements; index++) {
        bool mine[KEYS] = {false};
        /* An index of -1 means that the slot has no owner now. */
        for (int hint = 0; hint < count; hint++)
            if (hints->element[hint]->element[1]->integer == (long long)index)
                mine[place[hint]] = true;
        redisReply **node = nodes->element[index]->element;
        const char *name = node[0]->str;
        /* NULL, "" and "?" mean the host of this connection. */
        if (name == NULL || *name == '\0' || strcmp(name, "?") == 0) name = host;
        write_batch(name, (int)node[1]->integer, keys, mine, unwritten);
    }
    size_t owners = nodes->elements;
    freeReplyObject(reply);
    return owners;
}

static void prefill(redisContext *seed, const char *host, char keys[][NAME]) {
    bool unwritten[KEYS];
    memset(unwritten, true, sizeof unwritten);
    size_t owners = 0;
    for (int round = 0; round < 5; round++) {
        if (memchr(unwritten, true, sizeof unwritten) == NULL) break;
        size_t asked = write_to_owners(seed, host, keys, unwritten);
        if (asked > owners) owners = asked;
    }
    if (memchr(unwritten, true, sizeof unwritten) != NULL) fail("some keys were not written");
    printf("%d keys on %zu nodes\n", KEYS, owners);
}

int main(int count, char **arguments) {
    const char *usage = "write, retry, fence or prefill, a host and a port?";
    if (count != 4) fail(usage);
    const char *what = arguments[1], *host = arguments[2];
    int port = atoi(arguments[3]);
    redisContext *context = connect_to(host, port);
    if (context == NULL) fail("no connection");
    char keys[KEYS][NAME];
    for (int number = 0; number < KEYS; number++) snprintf(keys[number], NAME, "key:%d", number);

    if (strcmp(what, "write") == 0)
        write_durably(context, "order:1", "paid");
    else if (strcmp(what, "retry") == 0)
        printf("orders: %lld\n", increment_once(host, port, "orders"));
    else if (strcmp(what, "fence") == 0)
        fence(context, keys);
    else if (strcmp(what, "prefill") == 0)
        prefill(context, host, keys);
    else
        fail(usage);
    redisFree(context);
    return 0;
}
