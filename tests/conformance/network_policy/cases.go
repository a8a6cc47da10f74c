// SPDX-License-Identifier: Apache-2.0

// Prints, as JSON, the cases of cyclonus (github.com/mattfenwick/cyclonus): for each step the namespaces, pods and
// NetworkPolicies that there are then, and for each pair of pods and each port whether cyclonus' own model lets it pass.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/mattfenwick/cyclonus/pkg/connectivity/probe"
	"github.com/mattfenwick/cyclonus/pkg/generator"
	"github.com/mattfenwick/cyclonus/pkg/matcher"
	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

type pod struct {
	Namespace, Name, Address string
	Labels                   map[string]string
}

type question struct {
	From, To, Protocol string // "namespace/name"
	Port               int
	Allowed            bool
}

type step struct {
	Namespaces map[string]map[string]string // their labels
	Pods       []pod
	Policies   []*networkingv1.NetworkPolicy
	Questions  []question
}

type testCase struct {
	Name  string
	Steps []step
}

// state is what a cluster would have; addresses are given once, by "namespace/name".
type state struct {
	resources *probe.Resources
	policies  []*networkingv1.NetworkPolicy
	addresses map[string]string
}

func (s *state) address(key string) string {
	if _, found := s.addresses[key]; !found {
		s.addresses[key] = fmt.Sprintf("10.244.1.%d", 10+len(s.addresses))
	}
	return s.addresses[key]
}

func (s *state) without(namespace, name string) []*networkingv1.NetworkPolicy {
	var kept []*networkingv1.NetworkPolicy
	for _, policy := range s.policies {
		if policy.Namespace != namespace || policy.Name != name {
			kept = append(kept, policy)
		}
	}
	return kept
}

func (s *state) apply(a *generator.Action) (err error) {
	r := s.resources
	switch {
	case a.CreatePolicy != nil:
		s.policies = append(s.without("", ""), a.CreatePolicy.Policy)
	case a.UpdatePolicy != nil:
		policy := a.UpdatePolicy.Policy
		s.policies = append(s.without(policy.Namespace, policy.Name), policy)
	case a.DeletePolicy != nil:
		s.policies = s.without(a.DeletePolicy.Namespace, a.DeletePolicy.Name)
	case a.CreateNamespace != nil:
		s.resources, err = r.CreateNamespace(a.CreateNamespace.Namespace, a.CreateNamespace.Labels)
	case a.SetNamespaceLabels != nil:
		s.resources, err = r.UpdateNamespaceLabels(a.SetNamespaceLabels.Namespace, a.SetNamespaceLabels.Labels)
	case a.DeleteNamespace != nil:
		s.resources, err = r.DeleteNamespace(a.DeleteNamespace.Namespace)
	case a.CreatePod != nil:
		if s.resources, err = r.CreatePod(a.CreatePod.Namespace, a.CreatePod.Pod, a.CreatePod.Labels); err == nil {
			made, _ := s.resources.GetPod(a.CreatePod.Namespace, a.CreatePod.Pod)
			made.IP = s.address(made.Namespace + "/" + made.Name)
		}
	case a.SetPodLabels != nil:
		s.resources, err = r.SetPodLabels(a.SetPodLabels.Namespace, a.SetPodLabels.Pod, a.SetPodLabels.Labels)
	case a.DeletePod != nil:
		s.resources, err = r.DeletePod(a.DeletePod.Namespace, a.DeletePod.Pod)
	}
	return err
}

func (s *state) step(config generator.ProbeConfig) step {
	made := step{Namespaces: s.resources.Namespaces, Policies: s.policies}
	for _, p := range s.resources.Pods {
		made.Pods = append(made.Pods, pod{p.Namespace, p.Name, p.IP, p.Labels})
	}
	config.Mode = generator.ProbeModePodIP
	model := &probe.SimulatedJobRunner{Policies: matcher.BuildNetworkPolicies(true, s.policies)}
	for _, job := range (&probe.JobBuilder{}).GetJobsForProbeConfig(s.resources, &config).Valid {
		allowed := model.RunJob(job).Combined == probe.ConnectivityAllowed
		made.Questions = append(made.Questions, question{job.FromKey, job.ToKey, string(job.Protocol), job.ResolvedPort, allowed})
	}
	return made
}

func main() {
	names := []string{"x", "y", "z"}
	addresses := &state{addresses: map[string]string{}}
	first := &probe.Resources{Namespaces: map[string]map[string]string{}}
	for _, namespace := range names {
		first.Namespaces[namespace] = map[string]string{"ns": namespace, "kubernetes.io/metadata.name": namespace}
		for _, name := range []string{"a", "b", "c"} {
			made := probe.NewDefaultPod(namespace, name, []int{80, 81}, []v1.Protocol{v1.ProtocolTCP, v1.ProtocolUDP}, false, "")
			made.IP = addresses.address(namespace + "/" + name)
			first.Pods = append(first.Pods, made)
		}
	}
	var cases []testCase
	for _, from := range generator.NewTestCaseGenerator(true, addresses.address("z/c"), names, nil, nil).GenerateAllTestCases() {
		now := &state{resources: first, addresses: addresses.addresses}
		made := testCase{Name: from.Description}
		for _, one := range from.Steps {
			for _, action := range one.Actions {
				if err := now.apply(action); err != nil {
					log.Fatalf("%s: %v", from.Description, err)
				}
			}
			made.Steps = append(made.Steps, now.step(*one.Probe))
		}
		cases = append(cases, made)
	}
	if err := json.NewEncoder(os.Stdout).Encode(cases); err != nil {
		log.Fatal(err)
	}
}
