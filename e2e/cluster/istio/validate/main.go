// Validates objects of Istio as istiod does before it takes them: JSON documents on standard input, and a line of JSON for
// each of them with what istiod's schema has against it. It ends with 2 if a document cannot be read.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/config/schema/resource"
)

// A verdict on one object.
type verdict struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// What it is refused for; empty if it is not.
	Error string `json:"error"`
	// What istiod would warn of.
	Warning string `json:"warning"`
}

func main() {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var object crd.IstioKind
		err := in.Decode(&object)
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = out.Encode(judge(&object))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
}

func judge(object *crd.IstioKind) verdict {
	told := verdict{Kind: object.Kind, Namespace: object.Namespace, Name: object.Name}
	kind := object.GroupVersionKind()
	schema, known := collections.PilotGatewayAPI().FindByGroupVersionAliasesKind(resource.FromKubernetesGVK(&kind))
	if !known {
		told.Error = "istiod knows no such kind: " + kind.String()
		return told
	}
	config, err := crd.ConvertObject(schema, object, "cluster.local")
	if err != nil {
		told.Error = err.Error()
		return told
	}
	warning, err := schema.ValidateConfig(*config)
	if warning != nil {
		told.Warning = warning.Error()
	}
	if err != nil {
		told.Error = err.Error()
	}
	return told
}
