"""What must hold between parts of the settings. Each check looks at what can be read, and yields what is wrong."""

from collections.abc import Callable, Iterator

from stacks.checks import (
    delivery,
    distributed,
    engines,
    machines,
    models,
    names,
    node_ports,
    resources,
    store,
    triton,
    workflows,
)
from stacks.drafts import Draft
from stacks.problems import Problem

CHECKS: tuple[Callable[[Draft], Iterator[Problem]], ...] = (
    names.are_unique,
    names.of_machines_are_unique,
    names.joined_with_the_cluster_are_unique,
    names.are_not_taken_by_kubernetes,
    names.are_not_taken_by_another_engines_pods,
    machines.are_there,
    machines.belong_to_the_target,
    machines.have_servers,
    machines.are_listed_once,
    machines.log_in_as_someone_else_than_the_service_account,
    machines.pull_their_images_with_what_can,
    machines.have_addresses_for_their_firewall,
    models.come_from_a_server_with_an_address,
    models.come_from_a_node_that_is_there,
    models.can_be_purged,
    engines.name_what_exists,
    engines.name_adapters_that_exist,
    engines.keep_their_model,
    engines.have_an_image,
    engines.fit_a_node,
    engines.fit_their_gpus,
    engines.have_room_for_what_is_beside,
    distributed.have_as_many_nodes,
    engines.find_their_file,
    engines.keep_their_canaries_name_free,
    engines.bring_their_model_cards,
    engines.serve_each_repository_once,
    triton.find_their_files,
    engines.are_scaled_on_what_they_tell,
    resources.hold_requests_within_limits,
    resources.of_the_gateway_fit_a_node,
    store.is_of_the_target,
    store.has_a_place,
    store.fits_a_disk,
    store.is_reached_by_all_engines,
    store.has_each_bucket_once,
    store.has_versions_to_copy,
    delivery.has_argo_cd,
    delivery.knows_the_account_of_roles,
    delivery.charts_have_argo_cd,
    delivery.third_party_charts_are_whole,
    delivery.argo_cd_is_in_a_cluster,
    workflows.have_what_runs_them,
    workflows.turn_judges_on_that_are_off,
    workflows.have_a_place_of_their_own,
    workflows.leave_their_names_to_them,
    node_ports.are_unique,
    node_ports.are_those_of_the_stores_address,
)


def across(draft: Draft) -> Iterator[Problem]:
    """Every problem between parts."""
    for check in CHECKS:
        yield from check(draft)
