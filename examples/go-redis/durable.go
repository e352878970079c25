// Durable writes and slot hints with go-redis 5.
//
//	durable write|retry|fence 127.0.0.1:6379
//	durable prefill 127.0.0.1:7000              a node of a cluster
//
// docs/clients/go-redis.md explains it.
package main

import (
	"crypto/rand"
	"fmt"
	"log"
	"net"
	"os"
	"strings"
	"time"

	redis "gopkg.in/redis.v5"
)

func connect(address string) *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: address,
		// Above durable.timeout-ms: the default of 3 s is above its default of 1 s.
		ReadTimeout: 30 * time.Second,
		// With more, a command whose reply does not come is sent again, and executed again.
		MaxRetries: 0,
	})
}

func call(client *redis.Client, words ...interface{}) (interface{}, error) {
	command := redis.NewCmd(words...)
	_ = client.Process(command)
	return command.Result()
}

// code returns the code of an error reply, such as UNACKED. It is empty for other errors: a broken
// connection, a timeout.
func code(err error) string {
	word := strings.SplitN(err.Error(), " ", 2)[0]
	if strings.ToUpper(word) != word {
		return ""
	}
	if _, ok := err.(net.Error); ok || word == "EOF" {
		return ""
	}
	return word
}

func write(client *redis.Client, key, value string) (string, error) {
	_, err := call(client, "DURABLE.SET", key, value)
	if err == nil {
		return key + " is durable", nil
	}
	switch code(err) {
	case "NOREPLICAS", "OVERLOADED":
		return "not executed: " + err.Error(), nil
	case "UNACKED":
	default:
		return "", err
	}
	// It is on the primary. The replicas may have it by now.
	replicas, err := call(client, "DURABLE.WAIT")
	if err == nil {
		return fmt.Sprintf("%s is durable, confirmed by %d replicas", key, replicas), nil
	}
	if code(err) != "UNACKED" {
		return "", err
	}
	return "executed, not confirmed: " + err.Error(), nil
}

var again = map[string]bool{
	"":        true, // a broken connection, a timeout
	"UNACKED": true, "UNBLOCKED": true, "NOREPLICAS": true, "OVERLOADED": true,
	"READONLY": true, "TRYAGAIN": true, "CLUSTERDOWN": true, "MASTERDOWN": true,
	"LOADING": true, "OOM": true, "MISCONF": true, "BUSY": true,
}

// once sends a command until there is a reply. All tries have one id, so it is executed once.
func once(client *redis.Client, command ...interface{}) (interface{}, error) {
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	id := fmt.Sprintf("%x", random)
	words := append([]interface{}{"DURABLE.ONCE", id}, command...)
	end := time.Now().Add(time.Minute) // less than durable.once-ttl-ms
	for {
		reply, err := call(client, words...)
		if err == nil || err == redis.Nil || !again[code(err)] {
			return reply, err
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("the outcome of %s is unknown: %v", id, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func fence(client *redis.Client, keys []string) (string, error) {
	pipeline := client.Pipeline()
	for _, key := range keys {
		pipeline.Set(key, "v", 0)
	}
	wait := redis.NewCmd("DURABLE.WAIT")
	_ = pipeline.Process(wait)
	commands, _ := pipeline.Exec()
	for _, command := range commands {
		if command.Err() != nil && command != redis.Cmder(wait) {
			return "", command.Err()
		}
	}
	replicas, err := wait.Result()
	if err == nil {
		return fmt.Sprintf("%d writes, acknowledged by %d replicas", len(keys), replicas), nil
	}
	if code(err) != "UNACKED" {
		return "", err
	}
	return "executed, not confirmed: " + err.Error(), nil
}

// setAll writes many keys of a cluster. SLOTHINT tells the owners first, so no node answers MOVED.
// It returns the number of owners.
func setAll(seed *redis.Client, address string, keys []string) (int, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return 0, err
	}
	owners := map[string]*redis.Client{}
	for round := 0; round < 5 && len(keys) > 0; round++ {
		words := []interface{}{"SLOTHINT"}
		for _, key := range keys {
			words = append(words, key)
		}
		reply, err := call(seed, words...)
		if err != nil {
			return 0, err
		}
		parts := reply.([]interface{})
		nodes, hints := parts[1].([]interface{}), parts[2].([]interface{})
		batches := map[int64][]string{}
		for number, key := range keys {
			index := hints[number].([]interface{})[1].(int64)
			batches[index] = append(batches[index], key)
		}
		// -1: the slot has no owner now.
		keys = batches[-1]
		delete(batches, -1)
		for index, batch := range batches {
			node := nodes[index].([]interface{})
			place, _ := node[0].(string)
			// nil, "" and "?" mean the host of this connection.
			if place == "" || place == "?" {
				place = host
			}
			place = net.JoinHostPort(place, fmt.Sprint(node[1]))
			if owners[place] == nil {
				owners[place] = connect(place)
			}
			rest, err := setBatch(owners[place], batch)
			if err != nil {
				return 0, err
			}
			keys = append(keys, rest...)
		}
	}
	if len(keys) > 0 {
		return 0, fmt.Errorf("not written: %s", strings.Join(keys, " "))
	}
	return len(owners), nil
}

// setBatch returns the keys whose slot has moved since, or is moving.
func setBatch(owner *redis.Client, keys []string) ([]string, error) {
	pipeline := owner.Pipeline()
	for _, key := range keys {
		pipeline.Set(key, "v", 0)
	}
	commands, _ := pipeline.Exec()
	var rest []string
	for number, command := range commands {
		if err := command.Err(); err != nil {
			switch code(err) {
			case "MOVED", "ASK", "TRYAGAIN":
				rest = append(rest, keys[number])
			default:
				return nil, err
			}
		}
	}
	return rest, nil
}

const usage = "write, retry, fence or prefill, and an address?"

func main() {
	if len(os.Args) != 3 {
		log.Fatal(usage)
	}
	what, address := os.Args[1], os.Args[2]
	client := connect(address)
	var keys []string
	for number := 0; number < 100; number++ {
		keys = append(keys, fmt.Sprintf("key:%d", number))
	}
	var text string
	var err error
	switch what {
	case "write":
		text, err = write(client, "order:1", "paid")
	case "retry":
		var orders interface{}
		orders, err = once(client, "INCR", "orders")
		text = fmt.Sprintf("orders: %v", orders)
	case "fence":
		text, err = fence(client, keys)
	case "prefill":
		var owners int
		owners, err = setAll(client, address, keys)
		text = fmt.Sprintf("%d keys on %d nodes", len(keys), owners)
	default:
		log.Fatal(usage)
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(text)
}
