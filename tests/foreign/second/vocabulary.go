package main

import (
	"fmt"
	"os"
)

// eventType is what the vocabulary says of one type; authority.md, "The vocabulary".
type eventType struct {
	name, kind, stream        string
	sealed                    map[string]string
	ledger, person, physician bool
	meanings, roles, tasks    []string
}

func texts(value any) []string {
	list, _ := value.([]any)
	found := []string{}
	for _, element := range list {
		if text, isText := element.(string); isText {
			found = append(found, text)
		}
	}
	return found
}

func readVocabulary(content []byte) (map[string]*eventType, error) {
	value, err := readJSON(content, caps{1 << 22, 32, 1 << 20})
	if err != nil {
		return nil, err
	}
	list, isList := value.([]any)
	if !isList {
		return nil, fmt.Errorf("the vocabulary is no list")
	}
	types := map[string]*eventType{}
	for _, element := range list {
		o, isObject := element.(*object)
		if !isObject {
			return nil, fmt.Errorf("the vocabulary holds something else than objects")
		}
		signing, sealed := o.object("signing"), map[string]string{}
		for _, name := range o.object("sealed").names {
			sealed[name] = o.object("sealed").text(name)
		}
		types[o.text("type")] = &eventType{o.text("type"), o.text("kind"), o.text("stream"), sealed,
			signing.values["ledger"] == true, signing.values["person"] == true,
			signing.values["physician"] == true, texts(signing.values["meanings"]),
			texts(signing.values["roles"]), texts(signing.values["tasks"])}
	}
	return types, nil
}

func loadVocabulary(path string) (map[string]*eventType, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return readVocabulary(content)
}
